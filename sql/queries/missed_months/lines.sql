-- Missed months that aren't forgiven, as of a time, of all accounts or of one, the oldest first, for the pages: a row
-- for each month that was never billed, with its number of accounts, and the first of the single accounts of other
-- months, with how many there are. What the policies decide is of the list of all accounts only.
with missed as materialized (
    select m.*, d.decision, d.why from billing.missed_months_at(%(now)s, %(account_id)s) m
      left join billing.forgiven_in() f on f.period = m.period and f.account_id = m.account_id
      left join billing.missed_month_decisions(%(now)s) d
        on %(account_id)s::text is null and d.period = m.period and d.account_id = m.account_id
     where f.account_id is null
), single as (
    select m.*, n.account_name
      from (select * from missed where reason_id <> 'NEVER-BILLED' order by period, account_id limit %(limit)s) m
      left join lateral (select s.account_name from billing.statement s where s.account_id = m.account_id
                          order by s.period desc limit 1) n on true
)
select period, null as account_id, null as account_name, count(*) as accounts, reason_id, reason, due_at, days_late,
       case when bool_or(decision = 'bill') then 'bill'
            when bool_and(decision = 'forgive') then 'forgive' else 'ask' end,
       min(why),
       (select count(*) from missed where reason_id <> 'NEVER-BILLED')
  from missed where reason_id = 'NEVER-BILLED' group by period, reason_id, reason, due_at, days_late
union all
select period, account_id, account_name, 1, reason_id, reason, due_at, days_late, decision, why,
       (select count(*) from missed where reason_id <> 'NEVER-BILLED')
  from single
 order by 1, 2;
