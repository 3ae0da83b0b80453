alter table billing.run add column if not exists account_ids text[];
alter table billing.run add column if not exists airflow_dag_id text;
comment on column billing.run.account_ids is
    'The accounts whose missing statements the run issues; null: of the whole month';
comment on column billing.run.airflow_dag_id is 'The DAG that ran, where it is another than dag_id, the kind of run';
drop function if exists billing.open_run(text, text, text, text, text, text);
drop function if exists billing.reserve_mail(text, integer, interval, text[], text);
