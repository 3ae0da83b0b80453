-- Makes a period ready for decisions that are inserted: its partition, split like the run's stage. Does nothing if it
-- is ready. The partition is made first and attached then, which doesn't wait for readers of other months.
create or replace function billing.open_decisions(p_run_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_run billing.run;
    v_table text;
begin
    select * into strict v_run from billing.run where run_id = p_run_id;
    v_table := 'connector_decision_' || replace(v_run.period, '-', '_');
    if to_regclass('billing.' || v_table) is not null then
        return;
    end if;
    execute format(
        'create table billing.%1$I (like billing.connector_decision including constraints,
             constraint %2$I check (period = %3$L)) partition by hash (charger_id)',
        v_table, 'run_' || p_run_id || '_period', v_run.period);
    execute format('alter table billing.%I add primary key (account_id, charger_id, connector_id, period)', v_table);
    execute format('create unique index on billing.%I (charger_id, connector_id, period) where rule_id is null', v_table);
    for v_shard in 0 .. v_run.shard_count - 1 loop
        execute format('create table billing.%I partition of billing.%I for values with (modulus %s, remainder %s)',
                       v_table || '_' || v_shard, v_table, v_run.shard_count, v_shard);
        execute format('create trigger decision_is_not_emptied before truncate on billing.%I
                        for each statement execute function billing.refuse_change()', v_table || '_' || v_shard);
    end loop;
    execute format('alter table billing.connector_decision attach partition billing.%I for values in (%L)', v_table,
                   v_run.period);
    execute format('create trigger decision_is_not_emptied before truncate on billing.%I
                    for each statement execute function billing.refuse_change()', v_table);
end
$$;
