-- Makes the plan of what a run has staged and number_drafts() has numbered, and returns it: what would be issued, and
-- the change against the last month billed, by cause. A plan of the run with the same content is the same plan, made
-- again: decisions on it stay. Writes nothing in billing but the plan. The caller holds the fence, whose epoch the plan
-- keeps until it is issued. Its canary is chosen, if the policy has one.
create or replace function billing.make_plan(p_run_id bigint, p_epoch bigint) returns billing.plan
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_stage text := 'run_' || p_run_id;
    v_run billing.run;
    v_plan billing.plan;
begin
    v_run := billing.lock_open_run(p_run_id);
    perform billing.hold_fence('issue ' || v_run.period, p_epoch);
    v_plan.plan_hash := billing.plan_hash_of(p_run_id);
    v_plan.seal := billing.seal_of(p_run_id);
    select period, max(run_id) into v_plan.compared_with, v_plan.compared_run_id from billing.run
    where period < v_run.period and dag_id = 'connector_statements' and state in ('issued', 'unchanged')
    group by period order by period desc limit 1;
    if v_plan.compared_with is null then
        v_plan.not_compared := 'no earlier month was billed';
    elsif exists (select from billing.archived_period where period = v_plan.compared_with and dropped_at is not null) then
        v_plan.not_compared := 'the decisions of ' || v_plan.compared_with || ', the last month billed, are archived';
        v_plan.compared_with := null;
        v_plan.compared_run_id := null;
    end if;
    perform billing.stage_comparison(p_run_id, v_plan.compared_with);

    insert into billing.plan as p (
        run_id, period, plan_hash, seal, epoch, compared_with, compared_run_id, not_compared, statements, connectors,
        on_hold, first_billed)
    values (p_run_id, v_run.period, v_plan.plan_hash, v_plan.seal, p_epoch, v_plan.compared_with, v_plan.compared_run_id,
            v_plan.not_compared, 0, 0, 0, 0)
    on conflict (run_id, plan_hash) do update
    set seal = excluded.seal, epoch = excluded.epoch, compared_with = excluded.compared_with,
        compared_run_id = excluded.compared_run_id, not_compared = excluded.not_compared, made_at = now(),
        superseded_at = null, superseded_by_run_id = null
    returning * into v_plan;
    -- A plan that is made again was superseded before, unless its accounts were kept for the decisions on it.
    delete from billing.plan_account where plan_id = v_plan.plan_id;
    delete from billing.plan_change where plan_id = v_plan.plan_id;
    delete from billing.plan_sum where plan_id = v_plan.plan_id;

    execute format($q$
        insert into billing.plan_account (
            plan_id, account_id, currency, minor_unit, account_name, connectors_before, connectors_now,
            total_before_minor, total_now_minor, is_on_hold, expected_connectors, expected_minor, is_first, fingerprint)
        with billed_before as (
            select distinct s.account_id from billing.statement s
            where s.kind = 'connector' and s.period < %2$L
              and s.account_id in (select account_id from staging.%3$I where is_billed and not was_billed)
        )
        select %1$s, account_id, coalesce(currency, currency_expected, currency_before, 'XXX'), unit,
               account_name, case when is_moved then 0 else connectors_before end, connectors_now,
               case when is_moved then 0 else total_before_minor end, total_now_minor, is_on_hold,
               case when is_on_hold then expected_connectors end,
               case when is_on_hold then round(expected_amount * power(10::numeric, unit))::bigint end,
               is_billed and not was_billed and b.account_id is null, fingerprint
        from staging.%3$I f
        left join billed_before b using (account_id)
        cross join lateral (
            select coalesce(currency, currency_expected) <> currency_before is true as is_moved,
                   coalesce(minor_unit, least(scale(expected_amount), 4), minor_unit_before, 4) as unit) x
        union all
        select %1$s, account_id, currency_before, minor_unit_before, account_name, connectors_before, 0,
               total_before_minor, 0, false, null, null, false, null
        from staging.%3$I where coalesce(currency, currency_expected) <> currency_before $q$, v_plan.plan_id, v_run.period, v_stage || '_frame');

    -- Each cause changes the counts that the one before has left, at the fees and the tax rate of the month before; then
    -- the fees change, then the tax rate. So the causes add up, with tax rounded once at each step.
    execute format($q$
        insert into billing.plan_change (plan_id, account_id, currency, cause, connectors, minor)
        with frame as materialized (
            select f.*, coalesce(currency, currency_before) as in_currency,
                   billing.with_tax(ac_before * fee_before + dc_before * dc_fee_before, tax_rate_before) as total_at_first
            from staging.%2$I f
            where whole_cause is not null or is_other or total_now_minor <> total_before_minor
               or (fee_now, dc_fee_now) is distinct from (fee_before, dc_fee_before)
        ), step as (
            select s.account_id, s.place, s.ac + s.dc as connectors, f.in_currency,
                   billing.with_tax((ac_before + ac_until) * fee_before + (dc_before + dc_until) * dc_fee_before,
                                    tax_rate_before)
                   - billing.with_tax((ac_before + ac_until - ac) * fee_before
                                      + (dc_before + dc_until - dc) * dc_fee_before, tax_rate_before) as minor
            from (select *, (sum(ac) over until_here)::bigint as ac_until,
                         (sum(dc) over until_here)::bigint as dc_until
                  from staging.%3$I window until_here as (partition by account_id order by place)) s
            join frame f using (account_id)
        ), counted as (
            select account_id, sum(ac)::bigint as ac, sum(dc)::bigint as dc from staging.%3$I group by 1
        ), ended as (
            select f.*, connectors_now - connectors_corrected - coalesce(c.ac + c.dc, 0) as connectors_of_fee,
                   billing.with_tax((ac_before + coalesce(c.ac, 0)) * fee_before
                                    + (dc_before + coalesce(c.dc, 0)) * dc_fee_before, tax_rate_before) as at_old_fees,
                   billing.with_tax((ac_before + coalesce(c.ac, 0)) * fee_now
                                    + (dc_before + coalesce(c.dc, 0)) * dc_fee_now, tax_rate_before) as at_new_fees
            from frame f left join counted c using (account_id)
            where is_compared
        )
        select %1$s, account_id, in_currency, cause, connectors, minor from (
            select account_id, currency_before as in_currency, 'CORRECTION' as cause,
                   connectors_corrected - connectors_before as connectors,
                   total_corrected_minor - total_before_minor as minor
            from frame where was_billed
            union all
            select account_id, in_currency, (array['REMOVED', 'MOVED', 'IN-SERVICE', 'SCOPE-STATUS', 'SETTINGS',
                                                   'POWER-TYPE', 'NEW'])[place], connectors, minor
            from step
            union all
            select account_id, in_currency, 'FEE', connectors_of_fee, at_new_fees - at_old_fees from ended
            union all
            select account_id, in_currency, 'TAX', 0,
                   total_now_minor - at_new_fees + case when was_billed then total_at_first - total_corrected_minor
                                                        else 0 end
            from ended
            union all
            select account_id, currency, whole_cause, connectors_now, total_now_minor
            from frame where whole_cause is not null and is_billed
            union all
            select account_id, currency_before, whole_cause, -connectors_corrected, -total_corrected_minor
            from frame where whole_cause is not null and was_billed
        ) caused
        where connectors <> 0 or minor <> 0 $q$, v_plan.plan_id, v_stage || '_frame', v_stage || '_step');
    execute format('drop table staging.%I, staging.%I, staging.%I', v_stage || '_frame', v_stage || '_changed',
                   v_stage || '_step');

    -- One pass over the accounts; an account counts as one of its currency if it has money in either month.
    with account as (
        select currency, max(minor_unit) as minor_unit,
               count(*) filter (where total_before_minor <> 0 or total_now_minor <> 0) as accounts,
               sum(connectors_before) filter (where total_before_minor <> 0 or total_now_minor <> 0) as connectors_before,
               sum(connectors_now - connectors_before) filter (where total_before_minor <> 0 or total_now_minor <> 0)
               as connectors_change,
               sum(total_before_minor) as total_before_minor, sum(total_now_minor - total_before_minor) as change_minor,
               count(*) filter (where total_now_minor > 0) as statements, sum(connectors_now) as connectors,
               count(*) filter (where is_on_hold) as on_hold, count(*) filter (where is_first) as first_billed
        from billing.plan_account where plan_id = v_plan.plan_id group by currency
    ), summed as (
        insert into billing.plan_sum (
            plan_id, currency, cause, minor_unit, accounts, connectors_before, connectors_change, total_before_minor,
            change_minor)
        select v_plan.plan_id, currency, '', minor_unit, accounts, connectors_before, connectors_change,
               total_before_minor, change_minor
        from account where accounts > 0
        union all
        select v_plan.plan_id, c.currency, c.cause, max(a.minor_unit), count(*), 0, sum(c.connectors), 0, sum(c.minor)
        from billing.plan_change c join account a using (currency)
        where c.plan_id = v_plan.plan_id group by c.currency, c.cause
    )
    update billing.plan p
    set statements = a.statements, connectors = a.connectors, on_hold = a.on_hold, first_billed = a.first_billed
    from (select coalesce(sum(statements), 0) as statements, coalesce(sum(connectors), 0) as connectors,
                 coalesce(sum(on_hold), 0) as on_hold, coalesce(sum(first_billed), 0) as first_billed from account) a
    where p.plan_id = v_plan.plan_id
    returning p.* into v_plan;
    perform billing.choose_canary(v_plan);
    return v_plan;
end
$$;
