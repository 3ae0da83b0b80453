-- The tables with a period's decisions, one per shard, in order of their numbers, for `evbilling archive`.
select c.relname from pg_partition_tree(to_regclass(%(table)s)) t join pg_class c on c.oid = t.relid
where t.isleaf order by length(c.relname), c.relname
