-- Issues the corrections that are due and not waiting, in the caller's one transaction: those of the statements in
-- `p_only`, or of all (null). Returns how many corrections and lines.
create or replace function billing.publish_corrections(
    p_run_id bigint, p_epoch bigint, p_held text[], p_only text[], p_actor text, p_reason text,
    out corrections integer, out lines bigint
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_stage text := 'run_' || p_run_id;
    v_period text;
    v_version text;
    v_last integer;
begin
    select period, code_version into strict v_period, v_version from billing.run where run_id = p_run_id;
    perform billing.hold_fence('issue ' || v_period, p_epoch);
    perform from billing.statement s
    where s.statement_id in (select due.statement_id from billing.corrections_due(p_run_id, p_held, p_only) due)
    order by s.statement_id for no key update;

    insert into billing.statement_counter (kind, period, last_number) values ('correction', v_period, 0)
    on conflict do nothing;
    select last_number into v_last from billing.statement_counter
    where kind = 'correction' and period = v_period for update;
    -- Read again: charges and corrections that were being written have committed by now.
    insert into billing.statement (
        statement_id, kind, period, account_id, revision, number, run_id, account_name, financial_admin_id, time_zone,
        statement_date, currency, minor_unit, tax_rate, net_minor, tax_minor, total_minor, corrects_statement_id,
        code_version)
    select 'C-' || replace(v_period, '-', '') || '-' || lpad(n::text, greatest(6, length(n::text)), '0'), 'correction',
           v_period, s.account_id, e.corrections + 1, n, p_run_id, s.account_name, s.financial_admin_id, s.time_zone,
           billing.day_in(s.time_zone), s.currency, s.minor_unit, s.tax_rate, due.net_minor, due.tax_minor,
           due.total_minor, s.statement_id, v_version
    from (select d.*, v_last + row_number() over (order by d.statement_id) as n
          from billing.corrections_due(p_run_id, p_held, p_only) d where not d.is_waiting) due
    join billing.statement s on s.statement_id = due.statement_id
    join billing.effective_statement e on e.statement_id = due.statement_id;
    get diagnostics corrections = row_count;
    update billing.statement_counter set last_number = v_last + corrections
    where kind = 'correction' and period = v_period and corrections > 0;

    -- The new corrections have no lines yet, so the effective decisions are still the previous ones.
    execute format($q$
        insert into billing.correction_line (correction_id, period, account_id, charger_id, connector_id, power_type,
                                             before_minor, after_minor, rule_id, is_there)
        with k as (
            select statement_id, account_id from billing.statement
            where kind = 'correction' and period = $1 and number > $2
        ), b as (
            select e.* from billing.effective_decision e join k using (account_id) where e.period = $1
        ), n as (
            select s.* from staging.%I s join k using (account_id) where s.period = $1
        )
        select k.statement_id, $1, account_id, charger_id, connector_id, coalesce(n.power_type, b.power_type),
               b.unit_price_minor, n.unit_price_minor, n.rule_id, n.period is not null
        from b full join n using (account_id, charger_id, connector_id) join k using (account_id)
        where (b.rule_id, b.unit_price_minor, b.power_type) is distinct from (n.rule_id, n.unit_price_minor, n.power_type)
           or b.period is null or n.period is null $q$, v_stage) using v_period, v_last;
    get diagnostics lines = row_count;
    insert into billing.audit_event (actor, action, subject_id, reason, run_id)
    select p_actor, 'issue_correction', statement_id, p_reason, p_run_id from billing.statement
    where kind = 'correction' and period = v_period and number > v_last;
end
$$;
