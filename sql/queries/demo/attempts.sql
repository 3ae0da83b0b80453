-- The attempts at a month's connector statements by trigger, with their outcomes.
select case a.trigger when 'issue' then 'charged on the 1st' when 'month_end' then 'retried at the month''s end'
                      when 'planned' then 'retried as planned' else 're-billed' end,
       count(*) as attempts,
       count(*) filter (where a.outcome = 'succeeded') as succeeded,
       count(*) filter (where a.decline_class = 'soft') as soft,
       count(*) filter (where a.decline_class = 'hard') as hard,
       count(*) filter (where a.decline_class = 'needs_customer') as needs_customer,
       count(*) filter (where a.decline_class = 'unknown') as unknown,
       count(*) filter (where a.outcome in ('pending', 'unknown')) as open
from finance.payment_attempts a
join finance.statements s using (statement_id)
where s.period = %(period)s
group by a.trigger
order by array_position(array['issue', 'month_end', 'planned', 'rebill'], a.trigger);
