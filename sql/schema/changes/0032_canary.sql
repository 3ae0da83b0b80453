-- Earlier policies have no canary, and no plan has issued one.
alter table billing.approval_policy
    add column if not exists canary_statements integer not null default 0
    constraint policy_canary check (canary_statements between 0 and 1000);
alter table billing.plan add column if not exists canary_issued_at timestamptz;
drop function if exists billing.record_policy(
    text, text, numeric, numeric, numeric, numeric, integer, numeric, boolean, boolean, boolean, integer, integer,
    integer, text, text, bigint);
