-- Every service level as of a time, by default now: what is late first, the oldest first.
select service_level, period, state, due_at, late_since, done_at, reason_id, reason, reason_since, accounts, statements,
       money, dag_id, airflow_run_id
from billing.service_levels_at(coalesce(%(now)s::timestamptz, now()))
order by array_position(array['late', 'due', 'ok'], state), case when state = 'ok' then null else due_at end,
         service_level, period desc;
