-- Fails with EV004 unless the canary of a plan is issued as it was planned, each statement and decision: what is staged
-- is the plan by its hash, and is compared with what is issued. The caller has the plan locked.
create or replace function billing.require_canary(p_plan billing.plan) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_only text[] := array(select account_id from billing.plan_canary where plan_id = p_plan.plan_id);
    v_other text;
begin
    execute format($q$
        select min(account_id) from (
            select account_id
            from staging.%1$I d
            full join (select * from billing.statement
                       where kind = 'connector' and revision = 0 and period = %3$L and run_id = %4$s) s
            using (account_id)
            where account_id = any($1)
              and (d.account_name, d.financial_admin_id, d.time_zone, d.count_instant, d.currency, d.minor_unit,
                   d.setting_id, d.fee_minor, d.dc_fee_minor, d.exclude_closed, d.exclude_private, d.tax_rate,
                   d.ac_count, d.dc_count, d.net_minor, d.tax_minor, d.total_minor)
                  is distinct from
                  (s.account_name, s.financial_admin_id, s.time_zone, s.count_instant, s.currency, s.minor_unit,
                   s.setting_id, s.fee_minor, s.dc_fee_minor, s.exclude_closed, s.exclude_private, s.tax_rate,
                   s.ac_count, s.dc_count, s.net_minor, s.tax_minor, s.total_minor)
            union all
            select account_id
            from (select * from staging.%2$I where account_id = any($1)) d
            full join (select * from billing.connector_decision where period = %3$L and account_id = any($1)) p
            using (account_id, charger_id, connector_id)
            where (d.period, d.power_type, d.rule_id, d.unit_price_minor)
                  is distinct from (p.period, p.power_type, p.rule_id, p.unit_price_minor)
        ) other $q$,
        'run_' || p_plan.run_id || '_statement', 'run_' || p_plan.run_id, p_plan.period, p_plan.run_id)
    into v_other using v_only;
    if p_plan.canary_issued_at is null then
        raise exception 'the canary of plan % of % isn''t issued', p_plan.plan_id, p_plan.period
            using errcode = 'EV004', hint = 'clear the task issue_canary';
    elsif v_other is not null then
        raise exception 'the canary of plan % of % isn''t issued as planned: account % has something else',
            p_plan.plan_id, p_plan.period, v_other
            using errcode = 'EV004', hint = 'the rest wasn''t issued; find out who changed what was issued';
    end if;
end
$$;
