-- The newest period before another one that a DAG published or found unchanged; null if there is none.
select period::text from billing.run
where period < %(period)s and dag_id = %(dag_id)s and state in ('issued', 'unchanged') and accounts_uri is not null
order by period desc limit 1;
