-- Removes the staged decisions of accounts that turn out to be quarantined (their fault is in another shard), and
-- gives those of accounts that owe nothing the rule `p_rule_id`. The shards' recorded row counts follow, so
-- publishing needn't count.
create or replace function billing.settle_stage(
    p_run_id bigint, p_quarantined text[], p_nothing_owed text[], p_rule_id text
)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_stage text := 'run_' || p_run_id;
    v_period text;
begin
    perform billing.require_unplanned(p_run_id);
    -- The key begins with the account, so a few are found among millions of rows.
    select period into strict v_period from billing.run where run_id = p_run_id;
    if cardinality(p_quarantined) > 0 then
        execute format('with gone as (
                            delete from staging.%I where account_id = any($2) and period = $1 returning tableoid)
                        update billing.run_shard s set staged_rows = staged_rows - g.decisions
                        from (select c.relname, count(*) as decisions from gone join pg_class c on c.oid = gone.tableoid
                              group by 1) g
                        where s.run_id = $3 and s.stage_table = g.relname', v_stage)
        using v_period, p_quarantined, p_run_id;
    end if;
    if cardinality(p_nothing_owed) > 0 then
        execute format('update staging.%I set rule_id = $3, unit_price_minor = null
                        where period = $1 and account_id = any($2) and rule_id is null', v_stage)
        using v_period, p_nothing_owed, p_rule_id;
    end if;
end
$$;
