-- When a month was issued first, by DAG. For the Month page. Parameter: period.
select dag_id, min(settled_at) from billing.run
 where period = %(period)s and state = 'issued' and dag_id in ('connector_statements', 'account_statements')
 group by dag_id;
