-- Adds to the record of a run without an outcome: its source, how it is split, its accounts' evidence, facts, warnings.
-- What is null stays.
create or replace function billing.note_run(
    p_run_id bigint, p_source text default null, p_shards integer default null, p_accounts_uri text default null,
    p_accounts_sha256 text default null, p_facts jsonb default null, p_warnings jsonb default null)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform billing.lock_open_run(p_run_id);
    update billing.run
    set source = coalesce(p_source, source), shard_count = coalesce(p_shards, shard_count),
        accounts_uri = coalesce(p_accounts_uri, accounts_uri),
        accounts_sha256 = coalesce(p_accounts_sha256, accounts_sha256), facts = facts || coalesce(p_facts, '{}'),
        warnings = coalesce(p_warnings, warnings)
    where run_id = p_run_id;
end
$$;
