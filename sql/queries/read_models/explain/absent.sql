-- Why a month may lack a charger: whether it is billed and its decisions are in the warehouse, and which of the
-- accounts that had the charger got no statement, and why.
select exists (select from billing.run where period = %(period)s and dag_id = 'connector_statements'
                 and state in ('issued', 'unchanged')) as is_billed,
       exists (select from billing.archived_period where period = %(period)s and dropped_at is not null) as is_archived,
       (select array_agg(u.account_id || ': ' || u.detail order by u.account_id, u.reason_id)
        from billing.unbilled_account u
        where u.period = %(period)s and u.resolved_by_run_id is null
          and u.account_id in (select account_id from billing.charger_name where charger_id = %(charger)s)) as unbilled;
