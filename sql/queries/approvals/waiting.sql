-- The plan of a period that waits for a person, for the page Month and `evbilling approve`; no row if none does.
select a.plan_id, a.plan_hash, a.scope, a.asked_because as reason_ids, a.reasons, a.asked_at, a.due_at,
       r.airflow_run_id, coalesce(r.airflow_dag_id, r.dag_id) as dag_id
from finance.plan_approvals a join billing.run r on r.run_id = a.run_id
where a.period = %(period)s and a.is_waiting and a.asked_at is not null
order by a.plan_id desc limit 1
