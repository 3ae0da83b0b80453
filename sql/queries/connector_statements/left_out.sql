-- Of the accounts that a run of some accounts leaves out, those that the month has settled: by a statement, by
-- decisions, or by being on record as not billed.
select s.account_id, 'statement' as by from billing.statement s
where s.kind = 'connector' and s.period = %(period)s and s.account_id = any(%(accounts)s)
union all
select a.account_id, 'decisions' from unnest(%(accounts)s::text[]) a (account_id)
where exists (select from billing.connector_decision d where d.period = %(period)s and d.account_id = a.account_id)
union all
select distinct u.account_id, 'unbilled' from billing.unbilled_account u
where u.period = %(period)s and u.account_id = any(%(accounts)s) and u.resolved_by_run_id is null
