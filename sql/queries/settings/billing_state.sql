-- How far an account is billed, for the Account Billing page: the newest period billed at all, the account's latest
-- connector statements, and the faults that keep it from one, with their periods.
select
    (select period::text from billing.run
     where dag_id = 'connector_statements' and state in ('issued', 'unchanged')
     order by period desc, run_id desc limit 1),
    array(select distinct period::text from billing.statement
          where kind = 'connector' and account_id = %(account_id)s order by 1 desc limit 120),
    (select coalesce(json_agg(json_build_array(period, detail) order by period desc, reason_id), '[]')
     from billing.unbilled_account
     where account_id = %(account_id)s and is_quarantined and resolved_by_run_id is null)
