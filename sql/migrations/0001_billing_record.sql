-- The system of record: runs, settings, statements, decisions, evidence, audit. For the DAGs (role evbilling_writer) and,
-- through the views of schema finance, for finance. Rows of issued statements and of the audit never change.
create schema billing;
create schema staging;
create schema finance;
grant usage on schema billing to evbilling_writer;
grant usage, create on schema staging to evbilling_writer;
grant usage on schema finance to finance_reader, evbilling_writer;

create domain billing.period as text
    constraint period_form check (value ~ '^(19|[2-9][0-9])[0-9]{2}-(0[1-9]|1[0-2])$');

-- Runs ---------------------------------------------------------------------------------------------------------------

create table billing.run (
    run_id bigint generated always as identity primary key,
    dag_id text not null,
    airflow_run_id text not null,
    period billing.period not null,
    state text not null default 'open' constraint run_state check (
        state in ('open', 'issued', 'unchanged', 'differs', 'superseded', 'failed')),
    actor text not null,
    code_version text not null,
    source text not null,
    shard_count integer not null constraint run_shards_power_of_two check (
        shard_count > 0 and shard_count & (shard_count - 1) = 0),
    accounts_uri text,
    accounts_sha256 text,
    facts jsonb not null default '{}',
    warnings jsonb not null default '[]',
    differences jsonb not null default '[]',
    failure text,
    opened_at timestamptz not null default now(),
    settled_at timestamptz,
    closed_at timestamptz
);
comment on table billing.run is 'One row per opened run of a monthly DAG: what it read, what became of it';
create index run_period on billing.run (period, run_id);

create table billing.run_shard (
    run_id bigint not null references billing.run,
    shard integer not null,
    inventory_uri text not null,
    inventory_sha256 text not null,
    extracted_rows bigint not null,
    summary_uri text,
    summary_sha256 text,
    stage_table text,
    staged_rows bigint,
    primary key (run_id, shard)
);
comment on table billing.run_shard is
    'The registered evidence of a run: the inventory as extracted and the decisions'' summary, by content hash';

-- A step raises its epoch when it starts and must still hold it when it writes: a paused or cut-off try writes nothing.
create table billing.fence (
    scope text primary key,
    epoch bigint not null
);

create table billing.validation_result (
    result_id bigint generated always as identity primary key,
    run_id bigint not null references billing.run,
    suite text not null,
    shard integer,
    expectation text not null,
    says text not null,
    severity text not null check (severity in ('critical', 'warning', 'info')),
    success boolean not null,
    observed text,
    unexpected_count bigint,
    sample jsonb not null default '[]',
    validated_at timestamptz not null default now()
);
create index validation_result_run on billing.validation_result (run_id);

-- Settings and audit ---------------------------------------------------------------------------------------------------

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

-- The setting in force of each account in a period: of those effective by then the latest, and of several for one
-- effective_from the last recorded.
create function billing.settings_in_force(p_period text) returns setof billing.account_setting
language sql stable as $$
    select distinct on (account_id) * from billing.account_setting
    where effective_from <= p_period
    order by account_id, effective_from desc, setting_id desc
$$;

create table billing.audit_event (
    event_id bigint generated always as identity primary key,
    occurred_at timestamptz not null default now(),
    actor text not null check (actor <> ''),
    action text not null,
    subject_id text not null,
    reason text not null,
    run_id bigint references billing.run
);

-- Statements -----------------------------------------------------------------------------------------------------------

create table billing.statement (
    statement_id text primary key,
    kind text not null constraint statement_kind check (kind in ('connector', 'account', 'correction')),
    period billing.period not null,
    account_id text not null,
    revision smallint not null default 0 check (revision >= 0),
    number integer not null check (number > 0),
    run_id bigint not null references billing.run,
    account_name text,
    financial_admin_id text not null,
    time_zone text not null,
    count_instant timestamptz,
    statement_date date not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    minor_unit smallint not null check (minor_unit between 0 and 4),
    setting_id bigint references billing.account_setting,
    fee_minor bigint check (fee_minor >= 0),
    dc_fee_minor bigint check (dc_fee_minor >= 0),
    exclude_closed boolean,
    exclude_private boolean,
    tax_rate numeric(7, 6) not null,
    ac_count integer check (ac_count >= 0),
    dc_count integer check (dc_count >= 0),
    net_minor bigint not null,
    tax_minor bigint not null,
    total_minor bigint not null,
    corrects_statement_id text references billing.statement,
    code_version text not null,
    issued_at timestamptz not null default now(),
    constraint one_statement_per_kind_account_period_revision unique (kind, account_id, period, revision),
    constraint one_statement_per_number unique (kind, period, number),
    constraint statement_id_form check (statement_id =
        case kind when 'connector' then 'A' when 'account' then 'S' else 'C' end
        || '-' || replace(period, '-', '') || '-' || lpad(number::text, greatest(6, length(number::text)), '0')),
    constraint total_is_net_and_tax check (total_minor = net_minor + tax_minor),
    constraint connector_statement_adds_up check (kind <> 'connector' or (
        net_minor = ac_count * fee_minor + dc_count * dc_fee_minor
        and total_minor > 0 and tax_minor >= 0 and count_instant is not null and setting_id is not null)),
    constraint tax_rounds_half_up_once check (kind <> 'connector' or tax_minor = floor(net_minor * tax_rate + 0.5)),
    constraint correction_names_its_original check ((kind = 'correction') = (corrects_statement_id is not null))
);
create index statement_account on billing.statement (account_id, period);
create index statement_period on billing.statement (period, kind);

-- Numbers are given in the issuing transaction under this row's lock: gapless per kind and period.
create table billing.statement_counter (
    kind text not null,
    period billing.period not null,
    last_number integer not null check (last_number >= 0),
    primary key (kind, period)
);

-- One row per connector of a billed account: its rule (none = billed) and price. The statement is reached by
-- (period, account), so issuing touches accounts and never connectors. A period's partition is built in staging, split
-- by the hash of charger_id so that one large account splits too, and attached whole.
create table billing.connector_decision (
    period text not null,
    account_id text not null,
    charger_id text not null,
    connector_id integer not null,
    power_type text,
    rule_id text,
    unit_price_minor bigint,
    primary key (period, account_id, charger_id, connector_id),
    constraint billed_or_excluded check ((rule_id is null) = (unit_price_minor is not null)),
    constraint billed_connector_is_priced check (
        rule_id is not null or (connector_id >= 1 and power_type in ('AC', 'DC') and unit_price_minor >= 0))
) partition by list (period);
create unique index connector_billed_once on billing.connector_decision (period, charger_id, connector_id)
    where rule_id is null;

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

create table billing.tie_out (
    period billing.period not null,
    check_id text not null,
    left_label text not null,
    left_value numeric not null,
    right_label text not null,
    right_value numeric not null,
    run_id bigint not null references billing.run,
    primary key (period, check_id)
);

-- Immutability ---------------------------------------------------------------------------------------------------------

create function billing.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% on %.% refused: its rows never change once written', tg_op, tg_table_schema, tg_table_name
        using errcode = 'EV002', hint = 'issue a correction, or record a newer row beside it';
end
$$;
create trigger statement_is_immutable before update or delete on billing.statement
    for each row execute function billing.refuse_change();
create trigger statement_is_not_emptied before truncate on billing.statement
    for each statement execute function billing.refuse_change();
create trigger setting_is_append_only before update or delete on billing.account_setting
    for each row execute function billing.refuse_change();
create trigger setting_is_not_emptied before truncate on billing.account_setting
    for each statement execute function billing.refuse_change();
create trigger audit_is_append_only before update or delete on billing.audit_event
    for each row execute function billing.refuse_change();
create trigger audit_is_not_emptied before truncate on billing.audit_event
    for each statement execute function billing.refuse_change();

-- A decision may be replaced only as long as its account has no statement for the period (nothing to bill, say).
create function billing.refuse_change_of_issued_decision() returns trigger language plpgsql as $$
begin
    if exists (select from billing.statement s
               where s.kind = 'connector' and s.period = old.period and s.account_id = old.account_id) then
        raise exception 'decision on connector %/% of % in % belongs to an issued statement',
            old.charger_id, old.connector_id, old.account_id, old.period
            using errcode = 'EV002', hint = 'issue a correction';
    end if;
    return case tg_op when 'DELETE' then old else new end;
end
$$;
create trigger issued_decision_is_immutable before update or delete on billing.connector_decision
    for each row execute function billing.refuse_change_of_issued_decision();
create trigger decision_is_not_emptied before truncate on billing.connector_decision
    for each statement execute function billing.refuse_change();

-- What the DAGs may do directly; everything else goes through the functions of 0002.
grant select on all tables in schema billing to evbilling_writer;
grant insert, update on billing.run, billing.run_shard, billing.fence, billing.tie_out to evbilling_writer;
grant insert on billing.validation_result, billing.account_setting, billing.audit_event to evbilling_writer;
