-- Compares what a run has staged with the month `p_before` as it was issued and corrected, in two tables of staging:
-- run_12_frame, a row per account that has no statement of the period yet or was billed in that month, and run_12_step,
-- by how many connectors of each power type each cause changes an account. Null: compared with nothing.
--
-- Connectors are compared only where the sums of an account's decisions differ, so an ordinary month costs little more
-- than reading its own decisions. Tables are made by CREATE TABLE AS, which uses all cores. What is staged has no
-- statistics, by which two months of decisions would be sorted on one core and merged.
create or replace function billing.stage_comparison(p_run_id bigint, p_before text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_mergejoin = off set work_mem = '64MB'
as $$
declare
    v_stage text := 'run_' || p_run_id;
    v_frame text := v_stage || '_frame';
    v_period text;
    v_is_first_issue boolean;
    v_corrected text[];
    v_known text;
    v_before text;
begin
    select period into strict v_period from billing.run where run_id = p_run_id;
    v_is_first_issue := not exists (select from billing.statement where kind = 'connector' and period = v_period);
    select coalesce(array_agg(distinct account_id), '{}') into v_corrected
    from billing.statement where kind = 'correction' and period = p_before;
    v_before := format(
        'select account_id, charger_id, connector_id, power_type, rule_id from billing.connector_decision
         where period = %1$L and account_id <> all($1)
         union all
         select account_id, charger_id, connector_id, power_type, rule_id from billing.effective_decision
         where period = %1$L and account_id = any($1)', p_before);
    if v_corrected = '{}' then
        v_before := split_part(v_before, ' and account_id', 1);
    end if;
    execute format('drop table if exists staging.%I, staging.%I, staging.%I', v_frame, v_stage || '_changed',
                   v_stage || '_step');
    -- The sums of that month's decisions are those that its plan had; of several that were issued, an account's newest.
    v_known := format('select a.account_id, a.fingerprint from billing.plan_account a join billing.plan p using (plan_id)
                       where p.period = %L and p.issued_at is not null', p_before);
    if (select count(*) from billing.plan where period = p_before and issued_at is not null) = 1 then
        v_known := v_known || ' and a.fingerprint is not null';
    else
        v_known := replace(v_known, 'select a.account_id', 'select distinct on (a.account_id) a.account_id')
            || ' order by a.account_id, a.plan_id desc, a.fingerprint is null';
    end if;

    -- `whole_cause` explains all of an account's change. An account without one is compared connector by connector if it
    -- `is_other`.
    execute format($q$
        create table staging.%1$I with (autovacuum_enabled = false) as
        with decided as (
            select account_id, bit_xor(fingerprint) as fingerprint,
                   count(*) filter (where is_free and power_type = 'AC') as ac_free,
                   count(*) filter (where is_free and power_type = 'DC') as dc_free
            from (select account_id, power_type, rule_id is not distinct from 'FEE-ZERO' as is_free,
                         hashtextextended(charger_id, hashint4extended(connector_id, hashtextextended(
                             coalesce(rule_id, '-'), hashtextextended(coalesce(power_type, '-'), 0)))) as fingerprint
                  from staging.%2$I) d
            group by 1
        ), unbilled as (
            select account_id, bool_or(is_quarantined) as is_on_hold, bool_or(reason_id = 'FORGIVEN') as is_forgiven,
                   max(expected_connector_count) as expected_connectors, max(expected_amount) as expected_amount,
                   max(currency) filter (where currency ~ '^[A-Z]{3}$') as currency
            from staging.%4$I group by 1
        ), before as (
            select s.*, s.ac_count + s.dc_count as connectors,
                   s.total_minor + coalesce(k.total_minor, 0) as corrected_minor
            from billing.statement s
            left join (select corrects_statement_id, sum(total_minor)::bigint as total_minor from billing.statement
                       where kind = 'correction' and period = %6$L group by 1) k
              on k.corrects_statement_id = s.statement_id
            where s.kind = 'connector' and s.period = %6$L
        ), unbilled_before as (
            select account_id, bool_or(is_quarantined) as was_on_hold,
                   bool_or(reason_id = 'FORGIVEN') as was_forgiven
            from billing.unbilled_account
            where period = %6$L and resolved_by_run_id is null group by 1
        ), effective as (
            select account_id, count(*) filter (where rule_id is null) as connectors,
                   count(*) filter (where power_type = 'AC') as ac, count(*) filter (where power_type = 'DC') as dc,
                   max(coalesce(unit_price_minor, 0)) filter (where power_type = 'AC') as fee_minor,
                   max(coalesce(unit_price_minor, 0)) filter (where power_type = 'DC') as dc_fee_minor
            from billing.effective_decision
            where period = %6$L and account_id = any($1) and coalesce(rule_id, 'FEE-ZERO') = 'FEE-ZERO'
            group by 1
        ), free_before as (
            select u.account_id, count(*) filter (where o.power_type = 'AC') as ac,
                   count(*) filter (where o.power_type = 'DC') as dc
            from billing.unbilled_account u
            join billing.connector_decision o on o.account_id = u.account_id and o.rule_id = u.reason_id
            where u.period = %6$L and o.period = %6$L and u.reason_id = 'FEE-ZERO' and u.resolved_by_run_id is null
            group by 1
        ), known as (%8$s)
        select f.*, whole_cause is null and (is_billed or was_billed) as is_compared from (
        select account_id, d.account_id is not null as is_billed, b.account_id is not null as was_billed,
               coalesce(d.account_name, b.account_name) as account_name,
               d.currency, d.minor_unit, b.currency as currency_before, b.minor_unit as minor_unit_before,
               u.currency as currency_expected, u.expected_connectors, u.expected_amount,
               coalesce(u.is_on_hold, false) as is_on_hold, w.was_on_hold,
               coalesce(d.ac_count + d.dc_count, 0) as connectors_now, coalesce(d.total_minor, 0) as total_now_minor,
               coalesce(b.connectors, 0) as connectors_before, coalesce(b.total_minor, 0) as total_before_minor,
               coalesce(case when is_corrected then e.connectors else b.connectors end, 0) as connectors_corrected,
               coalesce(b.corrected_minor, 0) as total_corrected_minor,
               coalesce(case when is_corrected then e.ac else b.ac_count end, v.ac, 0) as ac_before,
               coalesce(case when is_corrected then e.dc else b.dc_count end, v.dc, 0) as dc_before,
               case when b.account_id is not null then coalesce(case when is_corrected then e.fee_minor end, b.fee_minor)
                    when v.ac + v.dc > 0 then 0 else d.fee_minor end as fee_before,
               case when b.account_id is not null
                    then coalesce(case when is_corrected then e.dc_fee_minor end, b.dc_fee_minor)
                    when v.ac + v.dc > 0 then 0 else d.dc_fee_minor end as dc_fee_before,
               coalesce(b.tax_rate, d.tax_rate) as tax_rate_before,
               case when d.account_id is not null then d.fee_minor
                    when c.ac_free + c.dc_free > 0 then 0 else b.fee_minor end as fee_now,
               case when d.account_id is not null then d.dc_fee_minor
                    when c.ac_free + c.dc_free > 0 then 0 else b.dc_fee_minor end as dc_fee_now,
               b.exclude_closed as closed_before, b.exclude_private as private_before,
               d.exclude_closed as closed_now, d.exclude_private as private_now,
               c.fingerprint, is_corrected or c.fingerprint is distinct from f.fingerprint as is_other,
               case
                   when %6$L is null then 'NOT-COMPARED'
                   when d.currency <> b.currency then 'CURRENCY'
                   when d.account_id is not null and b.account_id is not null then null
                   when b.account_id is not null and u.is_forgiven then 'FORGIVEN'
                   when b.account_id is not null and u.is_on_hold then 'ON-HOLD'
                   when b.account_id is not null and u.account_id is null then 'NO-LONGER-BILLED'
                   when d.account_id is not null and w.was_forgiven then 'FORGIVEN'
                   when d.account_id is not null and w.was_on_hold then 'ON-HOLD'
                   when d.account_id is not null and b.account_id is null and w.account_id is null then 'FIRST-BILLED'
               end as whole_cause
        from staging.%3$I d
        full join unbilled u using (account_id)
        full join before b using (account_id)
        left join decided c using (account_id)
        left join unbilled_before w using (account_id)
        left join effective e using (account_id)
        left join known f using (account_id)
        cross join lateral (select account_id = any($1) as is_corrected) k
        left join free_before v using (account_id)
        where %7$L or ((d.account_id is not null or u.account_id is not null)
                       and not exists (select from billing.statement s
                                       where s.kind = 'connector' and s.period = %5$L
                                         and s.account_id = coalesce(d.account_id, u.account_id, b.account_id)))
        ) f $q$,
        v_frame, v_stage, v_stage || '_statement', v_stage || '_unbilled', v_period, p_before, v_is_first_issue,
        v_known)
    using v_corrected;
    execute format('analyze staging.%I', v_frame);

    -- The connectors of which something else is to be billed. With FEE-ZERO one is billable too: that its account's fees
    -- come to nothing is a matter of the fee.
    execute format($q$
        create table staging.%1$I with (autovacuum_enabled = false) as
        select account_id, charger_id, connector_id, b.power_type as power_before, n.power_type as power_now,
               b.rule_id as rule_before, n.rule_id as rule_now, b.is_billable is not null as was_there,
               n.is_billable is not null as is_there, b.is_billable is true as was_billable,
               n.is_billable is true as is_billable
        from (
            select account_id, charger_id, connector_id, power_type, rule_id,
                   coalesce(rule_id, 'FEE-ZERO') = 'FEE-ZERO' as is_billable
            from (%5$s) e where account_id in (select account_id from staging.%2$I where is_compared and is_other)) b
        full join (
            select account_id, charger_id, connector_id, power_type, rule_id,
                   coalesce(rule_id, 'FEE-ZERO') = 'FEE-ZERO' as is_billable
            from staging.%3$I
            where account_id in (select account_id from staging.%2$I where is_compared and is_other)) n
        using (account_id, charger_id, connector_id)
        where (b.is_billable is true, case when b.is_billable then b.power_type end)
              is distinct from (n.is_billable is true, case when n.is_billable then n.power_type end) $q$,
        v_stage || '_changed', v_frame, v_stage, p_before, v_before)
    using v_corrected;
    execute format('analyze staging.%I', v_stage || '_changed');

    -- Their causes, by what the rules say of a connector then and now; the first that applies.
    execute format($q$
        create table staging.%1$I with (autovacuum_enabled = false) as
        with moved as (
            select charger_id, connector_id, true as is_moved
            from staging.%4$I c join staging.%3$I e using (charger_id, connector_id) where not c.is_there
            union
            select charger_id, connector_id, true
            from staging.%4$I c join (%7$s) e using (charger_id, connector_id) where not c.was_there
        ), account as (
            select f.account_id, coalesce(f.closed_before, t.exclude_closed) as closed_before,
                   coalesce(f.private_before, t.exclude_private) as private_before,
                   coalesce(f.closed_now, n.exclude_closed) as closed_now,
                   coalesce(f.private_now, n.exclude_private) as private_now
            from staging.%2$I f
            left join lateral (
                select exclude_closed, exclude_private from billing.account_setting a
                where f.closed_before is null and a.account_id = f.account_id and a.effective_from <= %6$L
                order by effective_from desc, setting_id desc limit 1) t on true
            left join lateral (
                select exclude_closed, exclude_private from billing.account_setting a
                where f.closed_now is null and a.account_id = f.account_id and a.effective_from <= %5$L
                order by effective_from desc, setting_id desc limit 1) n on true
            where f.is_compared and f.is_other
        ), named as (
            select c.*, billing.place_of_cause(
                       was_there, is_there, is_moved, was_billable, is_billable, rule_before, rule_now, f.closed_before,
                       f.private_before, f.closed_now, f.private_now) as place
            from staging.%4$I c
            join account f using (account_id)
            left join moved m using (charger_id, connector_id)
        )
        select account_id, place,
               count(*) filter (where is_billable and power_now = 'AC')
               - count(*) filter (where was_billable and power_before = 'AC') as ac,
               count(*) filter (where is_billable and power_now = 'DC')
               - count(*) filter (where was_billable and power_before = 'DC') as dc
        from named group by 1, 2 $q$,
        v_stage || '_step', v_frame, v_stage, v_stage || '_changed', v_period, p_before, v_before)
    using v_corrected;
end
$$;
