-- How many shards of a run are staged and in place: neither published nor dropped yet.
select count(*)
from billing.run_shard s
join pg_class c on c.relname = s.stage_table and c.relnamespace = 'staging'::regnamespace
where s.run_id = %(run_id)s and c.relispartition;
