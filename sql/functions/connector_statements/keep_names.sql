-- Keeps what a run's chargers are called, of all that it has staged: a row for each that is new at its account or is
-- called otherwise than before. Returns how many. Of an account whose connectors are decided for the month nothing
-- changes any more; a correction adds the chargers that are new to it. The caller holds the fence, so the run that
-- publishes is the last that kept names.
--
-- A month that is planned after a later one changes nothing but itself.
create or replace function billing.keep_names(p_run_id bigint, p_epoch bigint, p_corrects boolean)
returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_mergejoin = off set work_mem = '64MB'
as $$
declare
    v_run billing.run;
    v_named text := 'run_' || p_run_id || '_named';
    v_staged text;
    v_next text;
    v_kept bigint;
begin
    select * into strict v_run from billing.run where run_id = p_run_id;
    perform billing.hold_fence('issue ' || v_run.period, p_epoch);
    -- Other months write the same chargers' rows.
    perform billing.take_lock('names', '10 minutes');
    select string_agg(format('select * from staging.%I', stage_table || '_names'), ' union all ' order by shard)
    into v_staged from billing.run_shard
    where run_id = p_run_id and to_regclass('staging.' || quote_ident(stage_table || '_names')) is not null;
    if v_staged is null then
        return 0;
    end if;
    if exists (select from billing.plan where period > v_run.period) then
        v_next := to_char((v_run.period || '-01')::date + interval '1 month', 'YYYY-MM');
    end if;

    -- CREATE TABLE AS uses all cores. What is staged has no statistics.
    execute format('drop table if exists staging.%I', v_named);
    execute format($q$
        create table staging.%1$I with (autovacuum_enabled = false) as
        select s.*, k.from_period as known_from, k.until_period as known_until
        from (%2$s) s
        left join billing.charger_name k
          on k.account_id = s.account_id and k.charger_id = s.charger_id and k.from_period <= %3$L
             and coalesce(k.until_period > %3$L, true)
        where (k.account_id is null
               or (k.name, k.site, k.scope_status, k.standard, k.standards)
                  is distinct from (s.name, s.site, s.scope_status, s.standard, s.standards))
          and (%5$L and k.account_id is null
               or not exists (select from billing.connector_decision d
                              where d.period = %3$L and d.account_id = s.account_id))
          -- Longer ids are a fault of their account, and don't fit into the key.
          and greatest(length(s.account_id), length(s.charger_id)) <= 300
          and coalesce(s.account_id = any(%4$L::text[]), true) $q$,
        v_named, v_staged, v_run.period, v_run.account_ids, p_corrects);
    if v_next is not null then
        execute format($q$
            insert into billing.charger_name
            select account_id, charger_id, %2$L, k.until_period, k.name, k.site, k.scope_status, k.standard, k.standards
            from billing.charger_name k join staging.%1$I n using (account_id, charger_id)
            where k.from_period = n.known_from and coalesce(k.until_period > %2$L, true) $q$, v_named, v_next);
    end if;
    execute format($q$
        delete from billing.charger_name k using staging.%1$I n
        where k.account_id = n.account_id and k.charger_id = n.charger_id and k.from_period = n.known_from
          and n.known_from = %2$L $q$, v_named, v_run.period);
    execute format($q$
        update billing.charger_name k set until_period = %2$L from staging.%1$I n
        where k.account_id = n.account_id and k.charger_id = n.charger_id and k.from_period = n.known_from
          and n.known_from < %2$L $q$, v_named, v_run.period);
    execute format($q$
        insert into billing.charger_name
        select account_id, charger_id, %2$L, least(known_until, %3$L), name, site, scope_status, standard, standards
        from staging.%1$I $q$, v_named, v_run.period, v_next);
    get diagnostics v_kept = row_count;
    execute format('drop table staging.%I', v_named);
    return v_kept;
end
$$;
