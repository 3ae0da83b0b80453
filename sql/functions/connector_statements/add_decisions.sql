-- Adds a run's staged decisions to a period that has some, of accounts without a statement, and of these only what
-- differs, so the same truth writes nothing. Accounts found unbilled before are among them: one whose billing was
-- switched off since has no decisions any more. Returns how many rows were removed or added. `p_only`: of these
-- accounts alone; null: of all that the run is for.
create or replace function billing.add_decisions(p_run_id bigint, p_only text[]) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_stage text := 'run_' || p_run_id;
    v_period text;
    v_asked text[];
    v_open text;
    v_gone bigint;
    v_added bigint;
begin
    select period, account_ids into strict v_period, v_asked from billing.run where run_id = p_run_id;
    v_open := format($q$
        select account_id from (
            select account_id from staging.%1$I union select account_id from staging.%2$I
            union select account_id from billing.unbilled_account
            where period = %3$L and (%4$L::text[] is null or account_id = any(%4$L))
            except select account_id from billing.statement where kind = 'connector' and period = %3$L) a
        where %5$L::text[] is null or account_id = any(%5$L) $q$,
        v_stage || '_statement', v_stage || '_unbilled', v_period, v_asked, p_only);
    execute format($q$
        with open_account as (%1$s), gone as (
            delete from billing.connector_decision p using open_account o
            where p.period = %2$L and p.account_id = o.account_id
              and not exists (
                  select from staging.%3$I s where s.period = p.period and s.account_id = p.account_id
                    and s.charger_id = p.charger_id and s.connector_id = p.connector_id
                    and (s.power_type, s.rule_id, s.unit_price_minor)
                        is not distinct from (p.power_type, p.rule_id, p.unit_price_minor))
            returning 1)
        select count(*) from gone $q$, v_open, v_period, v_stage) into v_gone;
    execute format($q$
        with open_account as (%1$s), added as (
            insert into billing.connector_decision
                (period, account_id, charger_id, connector_id, power_type, rule_id, unit_price_minor)
            select s.period, s.account_id, s.charger_id, s.connector_id, s.power_type, s.rule_id, s.unit_price_minor
            from staging.%2$I s join open_account o on o.account_id = s.account_id
            where not exists (
                select from billing.connector_decision p
                where p.period = s.period and p.account_id = s.account_id and p.charger_id = s.charger_id
                  and p.connector_id = s.connector_id)
            returning 1)
        select count(*) from added $q$, v_open, v_stage) into v_added;
    return v_gone + v_added;
end
$$;
