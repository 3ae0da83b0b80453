-- Creates the empty staging tables of a run of account statements: account_run_12 (the accounts to state),
-- ..._candidate, ..._charge, ..._counted, ..._judged and ..._withheld for run 12. The writer copies rows into four of
-- them. Items and figures get their tables from the functions that fill them, because Postgres then uses all cores. All
-- are unlogged, since they can be assembled again: a database crash empties all of them, and later steps notice it by
-- the number of candidates on record.
create or replace function billing.open_account_stage(p_run_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_stage text := 'account_run_' || p_run_id;
begin
    execute format($q$
        create unlogged table staging.%1$I (
            account_id text primary key, account_name text, financial_admin_id text, time_zone text, currency text,
            minor_unit smallint not null, last_statement_id text, opening_minor bigint not null, opening_currency text,
            opens_at timestamptz not null, charges_since timestamptz not null, charges_until timestamptz not null);
        create unlogged table staging.%2$I (
            account_id text not null, charge_id text, kind text, description text, occurred_at timestamptz,
            net_amount numeric, tax_amount numeric, currency text, settled_amount numeric);
        create unlogged table staging.%3$I (
            account_id text primary key, charges bigint not null, total_amount numeric, settled_amount numeric);
        create unlogged table staging.%4$I (
            account_id text not null, charge_id text, listed_on text, listed_currency text, listed_description text,
            listed_unit smallint, shown text, fault text, altered text, settled_minor bigint,
            increase_minor bigint not null);
        create unlogged table staging.%5$I (
            account_id text not null, reason_id text not null, detail text not null, primary key (account_id, reason_id));
        create unlogged table staging.%6$I (
            account_id text primary key, account_name text, financial_admin_id text not null, time_zone text not null,
            currency text not null, minor_unit smallint not null);
        grant select on staging.%1$I, staging.%2$I, staging.%3$I, staging.%4$I, staging.%5$I, staging.%6$I
            to evbilling_writer;
        grant insert on staging.%1$I, staging.%2$I, staging.%3$I, staging.%5$I to evbilling_writer;
        $q$,
        v_stage || '_candidate', v_stage || '_charge', v_stage || '_counted', v_stage || '_judged',
        v_stage || '_withheld', v_stage);
end
$$;
