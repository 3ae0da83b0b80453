-- The newest period whose connector statements are issued, for the list of the Account Billing page; no row if there is
-- none.
select period::text from billing.run
where dag_id = 'connector_statements' and state in ('issued', 'unchanged')
order by period desc, run_id desc limit 1
