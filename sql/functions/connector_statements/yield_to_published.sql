-- Before the amounts of a re-run are worked out: a connector that another account was already billed for stays there.
-- Returns the accounts whose staged decisions changed.
create or replace function billing.yield_to_published(p_run_id bigint) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_stage text := 'run_' || p_run_id;
    v_period text;
begin
    perform billing.require_unplanned(p_run_id);
    select period into strict v_period from billing.run where run_id = p_run_id;
    return query execute format(
        'update staging.%I s set rule_id = ''BILLED-ELSEWHERE'', unit_price_minor = null
         from billing.connector_decision p
         where p.period = %L and p.charger_id = s.charger_id and p.connector_id = s.connector_id
           and p.rule_id is null and s.rule_id is null and p.account_id <> s.account_id
         returning s.account_id', v_stage, v_period);
    return query execute format(
        'update staging.%I s set rule_id = null, unit_price_minor = p.unit_price_minor
         from billing.connector_decision p
         where p.period = %L and p.account_id = s.account_id and p.charger_id = s.charger_id
           and p.connector_id = s.connector_id and p.rule_id is null and s.rule_id = ''BILLED-ELSEWHERE''
         returning s.account_id', v_stage, v_period);
end
$$;
