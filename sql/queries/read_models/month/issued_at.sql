-- When a month was first issued, by DAG, for the Month page.
select dag_id, min(settled_at) from billing.run
 where period = %(period)s and state = 'issued' and dag_id in ('connector_statements', 'account_statements')
 group by dag_id;
