-- The run that issued a statement, with the results of its validation, for the statement's page.
select r.run_id, r.dag_id, r.airflow_run_id, r.period::text as period, r.state, r.actor, r.opened_at, r.warnings,
       r.facts ? 'validation_page' as has_validation_page,
       v.expectation_count, v.failed_critical, v.failed_others
from billing.run r
left join lateral (
    select count(*) as expectation_count,
           count(*) filter (where not success and severity = 'critical') as failed_critical,
           count(*) filter (where not success and severity <> 'critical') as failed_others
    from billing.validation_result v where v.run_id = r.run_id) v on true
where r.run_id = %(run)s;
