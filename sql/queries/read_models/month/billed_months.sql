-- The months whose connector statements a run has issued, or has found nothing to issue for, and the first month from
-- which on a setting charges an account: which months are missing, for the pages of months.
select array(select distinct period::text from billing.run
             where dag_id = 'connector_statements' and state in ('issued', 'unchanged', 'differs')
             union select distinct period::text from billing.statement_sum where kind = 'connector'),
       (select min(effective_from)::text from billing.account_setting where charge_connectors)
