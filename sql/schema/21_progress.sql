-- How far the long steps are. What a step has done is recorded where it belongs; this only says it while it lasts, so
-- nothing decides by it.
create table billing.progress (
    dag_id text not null,
    airflow_run_id text not null,
    step text not null,
    -- Of a mapped step, which of its parts; 0 of 1 otherwise.
    part integer not null check (part >= 0),
    parts integer not null check (parts > part),
    -- Null: the run is of no month.
    period text check (period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    -- stopped: an error ended it. A step that was killed stays under way, and isn't noted any more.
    state text not null check (state in ('under way', 'stopped', 'done')),
    -- What is counted, a plural; empty where nothing can be.
    unit text not null,
    done bigint not null check (done >= 0),
    total bigint check (total >= 0),
    failed bigint not null check (failed >= 0),
    per_second double precision check (per_second >= 0),
    noted_at timestamptz not null default clock_timestamp(),
    primary key (dag_id, airflow_run_id, step, part)
);
comment on table billing.progress is 'One row per step of a DAG run, or part of a mapped one: how far it is';
