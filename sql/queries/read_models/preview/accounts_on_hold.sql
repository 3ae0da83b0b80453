-- The accounts that a month has on hold, the most money first.
select account_id from billing.unbilled_account
where period = %(period)s and is_quarantined and resolved_by_run_id is null
group by account_id
order by max(expected_amount) desc nulls last, account_id
limit %(limit)s
