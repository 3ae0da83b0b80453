-- Corrections: linked credit and debit notes for issued connector statements whose truth has changed since. A
-- correction names its original, lists connector by connector what changed, and moves the original's balance in the
-- ledger. What was issued stays as it is.
-- requires: functions/audit/refuse_change.sql

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
