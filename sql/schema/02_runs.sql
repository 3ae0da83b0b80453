-- Runs of the monthly DAGs, their registered evidence, their fences and their checks.
-- requires: functions/runs/refuse_loss_of_run.sql
-- requires: functions/archive/refuse_archived_period.sql
-- requires: functions/mail/queue_statement_mail.sql

create table billing.run (
    run_id bigint generated always as identity primary key,
    dag_id text not null,
    airflow_run_id text not null,
    period billing.period not null,
    state text not null default 'open' constraint run_state check (
        state in ('open', 'issued', 'unchanged', 'differs', 'superseded', 'failed')
    ),
    actor text not null,
    code_version text not null,
    source text not null,
    shard_count integer not null constraint run_shards_power_of_two check (
        shard_count > 0 and shard_count & (shard_count - 1) = 0
    ),
    accounts_uri text,
    accounts_sha256 text,
    facts jsonb not null default '{}',
    warnings jsonb not null default '[]',
    differences jsonb not null default '[]',
    failure text,
    opened_at timestamptz not null default now(),
    settled_at timestamptz,
    closed_at timestamptz,
    -- Whether the run's statements are mailed. auto: not if the period had ended more than 45 days before the run.
    deliver text not null default 'auto' constraint run_deliver check (deliver in ('auto', 'yes', 'no'))
);
comment on table billing.run is 'One row per opened run of a monthly DAG: what it read, what became of it';
create index run_period on billing.run (period, run_id);

create trigger run_with_statements_stays before delete or update of run_id on billing.run
for each row execute function billing.refuse_loss_of_run();
create trigger archived_period_is_not_published before insert or update of state on billing.run for each row
when (new.dag_id in ('connector_statements', 'correct_statements') and new.state in ('issued', 'unchanged', 'differs'))
execute function billing.refuse_archived_period();
-- A run that publishes is marked as issued in the same transaction: that is when its statements get their mail.
create trigger issued_statements_are_mailed after update of state on billing.run
for each row when (new.state = 'issued' and old.state <> 'issued')
execute function billing.queue_statement_mail();

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
    profile jsonb,
    orphans bigint not null default 0,
    primary key (run_id, shard)
);
comment on table billing.run_shard is
    'The registered evidence of a run: the inventory as extracted and the decisions'' summary, by content hash';
comment on column billing.run_shard.profile is 'What the stored inventory of the shard holds, as its decisions were made';
comment on column billing.run_shard.orphans is
    'Connectors without a charger that the source knows, found with the part whose first shard this is';

-- A step raises the epoch of its scope when it starts and must still hold it when it writes, so an attempt that was
-- paused or cut off writes nothing.
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
