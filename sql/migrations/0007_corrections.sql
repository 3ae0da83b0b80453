-- Corrections: linked credit and debit notes for issued connector statements whose truth has changed since. A correction
-- names its original, says connector by connector what changed, and moves the original's balance in the ledger. What was
-- issued stays as it is.
create table billing.correction_line (
    correction_id text not null references billing.statement,
    period billing.period not null,
    account_id text not null,
    charger_id text not null,
    connector_id integer not null,
    power_type text,
    -- What was billed for the connector before, and what is now; null: nothing.
    before_minor bigint check (before_minor >= 0),
    after_minor bigint check (after_minor >= 0),
    -- Why it isn't billed now: the rule, or null if the connector is gone from the account, or billed.
    rule_id text,
    is_there boolean not null,
    primary key (correction_id, charger_id, connector_id),
    constraint corrected_line_says_why check ((rule_id is null) or (after_minor is null and is_there)),
    constraint a_billed_connector_is_there check (after_minor is null or is_there)
);
create index correction_line_connector on billing.correction_line (period, account_id, charger_id, connector_id);
create trigger correction_line_is_immutable before update or delete on billing.correction_line
    for each row execute function billing.refuse_change();
create trigger correction_line_is_not_emptied before truncate on billing.correction_line
    for each statement execute function billing.refuse_change();

-- Each connector as its account's latest correction left it.
create view billing.last_correction_line as
select distinct on (l.period, l.account_id, l.charger_id, l.connector_id) l.*
from billing.correction_line l join billing.statement s on s.statement_id = l.correction_id
order by l.period, l.account_id, l.charger_id, l.connector_id, s.revision desc;

-- The decisions of issued statements with their corrections: what is billed for each connector in the end.
create view billing.effective_decision as
select d.period, d.account_id, d.charger_id, d.connector_id,
       case when c.correction_id is null then d.power_type else c.power_type end as power_type,
       case when c.correction_id is null then d.rule_id else c.rule_id end as rule_id,
       case when c.correction_id is null then d.unit_price_minor else c.after_minor end as unit_price_minor
from billing.connector_decision d
left join billing.last_correction_line c
  on c.period = d.period and c.account_id = d.account_id and c.charger_id = d.charger_id
     and c.connector_id = d.connector_id
where c.correction_id is null or c.is_there
union all
select c.period, c.account_id, c.charger_id, c.connector_id, c.power_type, c.rule_id, c.after_minor
from billing.last_correction_line c
where c.is_there and not exists (
    select from billing.connector_decision d
    where d.period = c.period and d.account_id = c.account_id and d.charger_id = c.charger_id
      and d.connector_id = c.connector_id);

-- The amounts of issued connector statements with their corrections.
create view billing.effective_statement as
select s.statement_id, s.period::text as period, s.account_id, s.currency, s.minor_unit,
       s.net_minor + coalesce(c.net_minor, 0) as net_minor, s.tax_minor + coalesce(c.tax_minor, 0) as tax_minor,
       s.total_minor + coalesce(c.total_minor, 0) as total_minor, coalesce(c.corrections, 0) as corrections
from billing.statement s
left join lateral (
    select sum(k.net_minor)::bigint as net_minor, sum(k.tax_minor)::bigint as tax_minor,
           sum(k.total_minor)::bigint as total_minor, count(*)::integer as corrections
    from billing.statement k where k.corrects_statement_id = s.statement_id) c on true
where s.kind = 'connector' and s.revision = 0;
create index statement_corrections on billing.statement (corrects_statement_id) where corrects_statement_id is not null;

-- What a run would correct: statements whose amounts aren't those that the run has staged, accounts at fault left out.
-- A statement that the run has nothing for is worth nothing now. `is_waiting`: a charge of it is under way, so it can't be
-- corrected yet. Amounts are by how much the statement would change.
create function billing.corrections_due(p_run_id bigint, p_held text[])
returns table (statement_id text, account_id text, currency text, minor_unit smallint, net_minor bigint, tax_minor bigint,
               total_minor bigint, is_waiting boolean)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return query execute format($q$
        select e.statement_id, e.account_id, e.currency, e.minor_unit,
               coalesce(d.net_minor, 0) - e.net_minor, coalesce(d.tax_minor, 0) - e.tax_minor,
               coalesce(d.total_minor, 0) - e.total_minor,
               exists (select from billing.payment_attempt a
                       where a.statement_id = e.statement_id and a.outcome in ('pending', 'unknown'))
        from billing.effective_statement e
        left join staging.%I d on d.account_id = e.account_id
        where e.period = (select period from billing.run where run_id = $1) and e.account_id <> all($2)
          and (coalesce(d.net_minor, 0), coalesce(d.tax_minor, 0)) is distinct from (e.net_minor, e.tax_minor)
          and coalesce(d.currency, e.currency) = e.currency
        order by e.statement_id $q$, 'run_' || p_run_id || '_statement')
    using p_run_id, p_held;
end
$$;

-- Issues the corrections that are due and not waiting, in the caller's one transaction. Returns how many.
create function billing.publish_corrections(
    p_run_id bigint, p_epoch bigint, p_held text[], p_actor text, p_reason text, out corrections integer, out lines bigint)
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
    where s.statement_id in (select due.statement_id from billing.corrections_due(p_run_id, p_held) due)
    order by s.statement_id for no key update;

    insert into billing.statement_counter (kind, period, last_number) values ('correction', v_period, 0)
    on conflict do nothing;
    select last_number into v_last from billing.statement_counter
    where kind = 'correction' and period = v_period for update;
    -- Looked up anew: whoever charged or corrected meanwhile has committed by now.
    insert into billing.statement (
        statement_id, kind, period, account_id, revision, number, run_id, account_name, financial_admin_id, time_zone,
        statement_date, currency, minor_unit, tax_rate, net_minor, tax_minor, total_minor, corrects_statement_id,
        code_version)
    select 'C-' || replace(v_period, '-', '') || '-' || lpad(n::text, greatest(6, length(n::text)), '0'), 'correction',
           v_period, s.account_id, e.corrections + 1, n, p_run_id, s.account_name, s.financial_admin_id, s.time_zone,
           (now() at time zone s.time_zone)::date, s.currency, s.minor_unit, s.tax_rate, due.net_minor, due.tax_minor,
           due.total_minor, s.statement_id, v_version
    from (select d.*, v_last + row_number() over (order by d.statement_id) as n
          from billing.corrections_due(p_run_id, p_held) d where not d.is_waiting) due
    join billing.statement s on s.statement_id = due.statement_id
    join billing.effective_statement e on e.statement_id = due.statement_id;
    get diagnostics corrections = row_count;
    update billing.statement_counter set last_number = v_last + corrections
    where kind = 'correction' and period = v_period and corrections > 0;

    -- The new corrections have no lines yet, so the effective decisions are still those of before.
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

revoke execute on all functions in schema billing from public;
grant execute on function billing.corrections_due(bigint, text[]),
    billing.publish_corrections(bigint, bigint, text[], text, text) to evbilling_writer;
grant select on billing.correction_line, billing.last_correction_line, billing.effective_decision,
    billing.effective_statement to evbilling_writer;
