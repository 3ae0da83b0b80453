-- What was decided on each connector of a billed account, and the accounts that were not billed.
-- requires: functions/audit/refuse_change.sql
-- requires: functions/connector_statements/refuse_change_of_issued_decision.sql

-- One row per connector of a billed account: its rule (none = billed) and price. The statement is found by period and
-- account, so issuing touches accounts and never connectors. A period's partition is built in staging, split by the
-- hash of charger_id so that one large account splits too, and attached whole. The keys end with the period: it is
-- the same throughout a partition, and a key that began with it would compare it first a billion times while it is
-- built.
create table billing.connector_decision (
    period text not null,
    account_id text not null,
    charger_id text not null,
    connector_id integer not null,
    power_type text,
    rule_id text,
    unit_price_minor bigint,
    primary key (account_id, charger_id, connector_id, period),
    constraint billed_or_excluded check ((rule_id is null) = (unit_price_minor is not null)),
    constraint billed_connector_is_priced check (
        rule_id is not null or (connector_id >= 1 and power_type in ('AC', 'DC') and unit_price_minor >= 0)
    )
) partition by list (period);
create unique index connector_billed_once on billing.connector_decision (charger_id, connector_id, period)
where rule_id is null;
create trigger issued_decision_is_immutable before update or delete on billing.connector_decision
for each row execute function billing.refuse_change_of_issued_decision();
create trigger decision_is_not_emptied before truncate on billing.connector_decision
for each statement execute function billing.refuse_change();

-- Accounts with billing on that got no statement, and the money they were expected to bring.
create table billing.unbilled_account (
    period billing.period not null,
    account_id text not null,
    reason_id text not null,
    detail text not null,
    is_quarantined boolean not null,
    expected_connector_count bigint,
    expected_amount numeric,
    currency text,
    run_id bigint not null references billing.run,
    resolved_by_run_id bigint references billing.run,
    primary key (period, account_id, reason_id)
);
