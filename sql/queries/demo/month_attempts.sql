-- The attempts at a month's connector statements by what called for them. Parameter: period.
select case a.trigger when 'issue' then 'charged on the 1st' when 'month_end' then 'retried at the month''s end'
                      when 'planned' then 'retried as planned' else 're-billed' end,
       count(*),
       count(*) filter (where a.outcome = 'succeeded'),
       count(*) filter (where a.decline_class = 'soft'),
       count(*) filter (where a.decline_class = 'hard'),
       count(*) filter (where a.decline_class = 'needs_customer'),
       count(*) filter (where a.decline_class = 'unknown'),
       count(*) filter (where a.outcome in ('pending', 'unknown'))
  from finance.payment_attempts a join finance.statements s using (statement_id)
 where s.period = %(period)s group by a.trigger
 order by array_position(array['issue', 'month_end', 'planned', 'rebill'], a.trigger);
