-- Creates the empty staging tables of a run: run_12 (decisions, split by the hash of charger_id), run_12_statement
-- and run_12_unbilled for run 12. Sweeps those of runs that nobody comes back for.
create or replace function billing.open_stage(p_run_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_period text;
    v_stage text := 'run_' || p_run_id;
begin
    perform billing.take_lock('stage', '2 minutes');
    select period into strict v_period from billing.run where run_id = p_run_id;
    perform billing.sweep_stages(p_run_id);
    if to_regclass('staging.' || v_stage) is not null then
        return;
    end if;
    execute format(
        'create table staging.%1$I (like billing.connector_decision including constraints,
             constraint %2$I check (period = %3$L)) partition by hash (charger_id)',
        v_stage, v_stage || '_period', v_period);
    execute format('alter table staging.%I alter column period set default %L', v_stage, v_period);
    execute format('alter table staging.%I add primary key (account_id, charger_id, connector_id, period)', v_stage);
    execute format('create unique index on staging.%I (charger_id, connector_id, period) where rule_id is null', v_stage);
    execute format(
        'create table staging.%I (account_id text primary key, account_name text, financial_admin_id text not null,
             time_zone text not null, count_instant timestamptz not null, currency text not null,
             minor_unit smallint not null, setting_id bigint not null, fee_minor bigint not null,
             dc_fee_minor bigint not null, exclude_closed boolean not null, exclude_private boolean not null,
             tax_rate numeric not null, ac_count integer not null, dc_count integer not null, net_minor bigint not null,
             tax_minor bigint not null, total_minor bigint not null) with (autovacuum_enabled = false)',
        v_stage || '_statement');
    execute format(
        'create table staging.%I (account_id text not null, reason_id text not null, detail text not null,
             is_quarantined boolean not null, expected_connector_count bigint, expected_amount numeric, currency text,
             primary key (account_id, reason_id)) with (autovacuum_enabled = false)', v_stage || '_unbilled');
    -- open_drafts() lets the writer fill the latter two.
    execute format('grant select on staging.%I, staging.%I, staging.%I to evbilling_writer', v_stage,
                   v_stage || '_statement', v_stage || '_unbilled');
end
$$;
