-- Who is billed and how, by account and from which period on. Append-only.
-- requires: functions/audit/refuse_change.sql

create table billing.account_setting (
    setting_id bigint generated always as identity primary key,
    account_id text not null check (account_id <> ''),
    effective_from billing.period not null,
    charge_connectors boolean not null,
    financial_admin_id text,
    fee_per_connector numeric(12, 4) not null check (fee_per_connector >= 0),
    fee_per_dc_connector numeric(12, 4) check (fee_per_dc_connector >= 0),
    exclude_closed boolean not null,
    exclude_private boolean not null,
    tax_rate numeric(7, 6) not null check (tax_rate >= 0 and tax_rate < 1),
    actor text not null check (actor <> ''),
    recorded_at timestamptz not null default now()
);
create index account_setting_effective on billing.account_setting (account_id, effective_from desc, setting_id desc);
create trigger setting_is_append_only before update or delete on billing.account_setting
for each row execute function billing.refuse_change();
create trigger setting_is_not_emptied before truncate on billing.account_setting
for each statement execute function billing.refuse_change();
