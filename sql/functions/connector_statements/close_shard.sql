-- Adds the keys to a filled shard table and attaches it, in place of an earlier attempt's. The writer can't change it
-- any more. `p_profile`: what the shard's inventory holds, for the validation.
create or replace function billing.close_shard(
    p_run_id bigint, p_shard integer, p_epoch bigint, p_rows bigint, p_summary_uri text, p_summary_sha256 text,
    p_profile jsonb)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_table text := format('run_%s_shard_%s_try_%s', p_run_id, p_shard, p_epoch);
    v_earlier text;
    v_count bigint;
    v_shards integer;
begin
    perform billing.hold_fence(format('run %s shard %s', p_run_id, p_shard), p_epoch);
    -- What the run was planned to issue is staged anew.
    perform billing.supersede_plans(period, p_run_id) from billing.plan
    where run_id = p_run_id and superseded_at is null and issued_at is null;
    execute format('revoke insert on staging.%I, staging.%I from evbilling_writer', v_table, v_table || '_names');
    execute format('select count(*) from staging.%I', v_table) into v_count;
    if v_count <> p_rows then
        raise exception 'shard % of run % holds % rows, % were written', p_shard, p_run_id, v_count, p_rows
            using errcode = 'EV003', hint = 'the staging table was changed or emptied; clear this task to try again';
    end if;
    execute format('alter table staging.%I add primary key (account_id, charger_id, connector_id, period)', v_table);
    execute format('create unique index on staging.%I (charger_id, connector_id, period) where rule_id is null', v_table);
    select shard_count into strict v_shards from billing.run where run_id = p_run_id;
    select stage_table into v_earlier from billing.run_shard where run_id = p_run_id and shard = p_shard;
    if v_earlier is not null and to_regclass('staging.' || quote_ident(v_earlier)) is not null then
        execute format('drop table staging.%I', v_earlier);
        execute format('drop table if exists staging.%I', v_earlier || '_names');
    end if;
    execute format('alter table staging.%I attach partition staging.%I for values with (modulus %s, remainder %s)',
                   'run_' || p_run_id, v_table, v_shards, p_shard);
    update billing.run_shard
    set stage_table = v_table, staged_rows = p_rows, summary_uri = p_summary_uri, summary_sha256 = p_summary_sha256,
        profile = p_profile
    where run_id = p_run_id and shard = p_shard;
    execute format('analyze staging.%I', v_table);
end
$$;
