-- What became of the accounts of a run of some accounts: the statement of the month, and whether this run has issued
-- it, or why there is none.
select a.account_id, s.statement_id, s.currency, s.minor_unit, s.total_minor, s.run_id = r.run_id as is_new,
       (select string_agg(u.detail, '; ' order by u.reason_id) from billing.unbilled_account u
        where u.period = r.period and u.account_id = a.account_id and u.resolved_by_run_id is null) as reasons
from billing.run r
cross join unnest(r.account_ids) with ordinality a (account_id, place)
left join billing.statement s on s.kind = 'connector' and s.period = r.period and s.account_id = a.account_id
where r.run_id = %(run_id)s
order by a.place
