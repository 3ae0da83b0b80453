-- The newest run of a DAG that published a period or found it unchanged; null if there is none.
select max(run_id) from billing.run
where period = %(period)s and dag_id = %(dag_id)s and state in ('issued', 'unchanged') and accounts_uri is not null;
