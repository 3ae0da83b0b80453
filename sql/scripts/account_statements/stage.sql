-- The empty staging tables of one run of account statements. The tables of items and figures are created by the queries
-- that fill them, because Postgres then uses all cores. The owner's function publishes account, item and withheld, so
-- it may read them. All are unlogged, since they can be assembled again: a database crash empties all of them, and
-- later steps notice it by the number of candidates on record.
create unlogged table {candidate} (
    account_id text primary key, account_name text, financial_admin_id text, time_zone text, currency text,
    minor_unit smallint not null, last_statement_id text, opening_minor bigint not null, opening_currency text,
    opens_at timestamptz not null, charges_since timestamptz not null, charges_until timestamptz not null);
create unlogged table {charge} (
    account_id text not null, charge_id text, kind text, description text, occurred_at timestamptz, net_amount numeric,
    tax_amount numeric, currency text, settled_amount numeric);
create unlogged table {counted} (
    account_id text primary key, charges bigint not null, total_amount numeric, settled_amount numeric);
create unlogged table {judged} (
    account_id text not null, charge_id text, listed_on text, listed_currency text, listed_description text,
    listed_unit smallint, shown text, fault text, altered text, settled_minor bigint, increase_minor bigint not null);
create unlogged table {withheld} (
    account_id text not null, reason_id text not null, detail text not null, primary key (account_id, reason_id));
create unlogged table {account} (
    account_id text primary key, account_name text, financial_admin_id text not null, time_zone text not null,
    currency text not null, minor_unit smallint not null);
grant select on {account}, {withheld} to evbilling_owner;
