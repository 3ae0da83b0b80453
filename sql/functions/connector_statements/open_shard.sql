-- Starts one attempt at a shard's decisions: returns the name of its table and the epoch that the attempt holds.
-- make_shard_table() creates the table in the transaction that fills it: rows copied into a table of their own
-- transaction are frozen from the start, so neither keys nor counts have to look up who wrote them.
create or replace function billing.open_shard(
    p_run_id bigint, p_shard integer, out stage_table text, out epoch bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform billing.open_stage(p_run_id);
    epoch := billing.raise_fence(format('run %s shard %s', p_run_id, p_shard));
    stage_table := format('run_%s_shard_%s_try_%s', p_run_id, p_shard, epoch);
end
$$;
