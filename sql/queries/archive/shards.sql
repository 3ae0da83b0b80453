-- The tables that a period's decisions lie in, for `evbilling archive`: one a shard, in the order of their numbers.
select c.relname from pg_partition_tree(to_regclass(%(table)s)) t join pg_class c on c.oid = t.relid
where t.isleaf order by length(c.relname), c.relname
