-- What should have happened by when, what tasks report of their runs, and which alerts were sent.
-- requires: functions/audit/refuse_change.sql

create table billing.service_level_policy (
    policy_id bigint generated always as identity primary key,
    service_level text not null constraint known_service_level check (
        service_level in (
            'connector_statements', 'account_statements', 'charges', 'payment_retries', 'payment_reconciliation',
            'mail_delivery', 'gateway', 'missed_months'
        )
    ),
    effective_from date not null,
    -- After 00:00 UTC of the day (the month's first or last, or every day); charges: after the issue; mail_delivery:
    -- after the message was queued; gateway: after its first refusal.
    due_after interval not null check (due_after between interval '0' and interval '31 days'),
    -- False: not looked at, where an operator does it otherwise.
    is_expected boolean not null default true,
    actor text not null check (actor <> ''),
    reason text not null check (reason <> ''),
    recorded_at timestamptz not null default now()
);
comment on table billing.service_level_policy is 'One row per change of a time limit; the newest of the day counts';
create trigger policy_is_append_only before update or delete on billing.service_level_policy
for each row execute function billing.refuse_change();
create trigger policy_is_not_emptied before truncate on billing.service_level_policy
for each statement execute function billing.refuse_change();
insert into billing.service_level_policy (service_level, effective_from, due_after, actor, reason)
values ('connector_statements', '1900-01-01', '18 hours', 'evbilling', 'default'),
('account_statements', '1900-01-01', '18 hours', 'evbilling', 'default'),
('charges', '1900-01-01', '12 hours', 'evbilling', 'default'),
('payment_retries', '1900-01-01', '12 hours', 'evbilling', 'default'),
('payment_reconciliation', '1900-01-01', '9 hours', 'evbilling', 'default'),
('mail_delivery', '1900-01-01', '1 hour', 'evbilling', 'default'),
('gateway', '1900-01-01', '0 hours', 'evbilling', 'default'),
('missed_months', '1900-01-01', '22 hours', 'evbilling', 'default');

-- Runs of the daily DAGs leave no other record when there is nothing to do. Of the monthly DAGs, what failed after the
-- statements were published.
create table billing.dag_event (
    event_id bigint generated always as identity primary key,
    dag_id text not null,
    airflow_run_id text not null,
    task_id text not null,
    period billing.period,
    event text not null constraint known_dag_event check (event in ('begun', 'done', 'failed')),
    detail text not null default '',
    occurred_at timestamptz not null default clock_timestamp()
);
comment on table billing.dag_event is 'One row each time that a task of a DAG run reported that it began, ended or failed';
create index dag_event_newest on billing.dag_event (dag_id, event, event_id);
create trigger dag_event_is_append_only before update or delete on billing.dag_event
for each row execute function billing.refuse_change();
create trigger dag_event_is_not_emptied before truncate on billing.dag_event
for each statement execute function billing.refuse_change();

-- Every page looks for them.
create index account_setting_first on billing.account_setting (effective_from) where charge_connectors;
create index attempt_refused on billing.payment_attempt (statement_id) where outcome = 'refused';

create table billing.alert (
    alert_id bigint generated always as identity primary key,
    -- What makes several reports one: the service level and its period, or the run that failed.
    cause text not null check (cause <> ''),
    title text not null,
    -- Sent once; nothing says when it ends.
    is_once boolean not null default false,
    opened_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz
);
comment on table billing.alert is 'One row each time that something became late or failed, until it was in order again';
create unique index one_open_alert_a_cause on billing.alert (cause) where ended_at is null;

create table billing.alert_message (
    alert_id bigint not null references billing.alert,
    channel text not null,
    claimed_at timestamptz not null,
    sent_at timestamptz,
    end_sent_at timestamptz,
    error text,
    primary key (alert_id, channel)
);
comment on table billing.alert_message is 'One row per alert and channel: when it was last sent, and when its end was';
