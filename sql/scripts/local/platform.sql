-- The demo's stand-in for a charging platform's database: the five tables of the input contract
-- (include/evbilling/platform/contract.py). Without keys on purpose: a real platform isn't ours, and whatever can be
-- wrong there must be possible here. The pipeline reads it as `platform_reader`; `evbilling platform` fills it.
create schema if not exists platform;

create table if not exists platform.account (
    account_id text, name text, country text, time_zone text, currency text, language text
);
alter table platform.account add column if not exists language text; -- of a demo that is older than the column
create table if not exists platform.app_user (
    user_id text, account_id text, full_name text, email text, active boolean,
    payment_customer text, payment_method text
);
create table if not exists platform.charger (
    charger_id text, account_id text, name text, site text, scope_status text,
    valid_from timestamptz, valid_to timestamptz
);
create table if not exists platform.connector (
    charger_id text, connector_id integer, standard text, power_type text, status text,
    valid_from timestamptz, valid_to timestamptz
);
create table if not exists platform.account_charge (
    charge_id text, account_id text, user_id text, kind text, description text,
    occurred_at timestamptz, net_amount numeric, tax_amount numeric, currency text, settled_amount numeric
);

create index if not exists charger_account on platform.charger (account_id);
create index if not exists connector_charger on platform.connector (charger_id);
create index if not exists account_charge_account on platform.account_charge (account_id, occurred_at);

-- For the pages. A month reads whole tables and needs none of these indexes.
create index if not exists app_user_account on platform.app_user (account_id);
create index if not exists charger_charger on platform.charger (charger_id);
