-- A month's declined attempts by class and code. Each statement that ever failed counts once, by its last decline;
-- `unpaid` are those of them on which something is still due. For the Month page. Parameters: period, and first_id,
-- next_id (the range of the month's statement ids).
with declined as (
    select a.statement_id, a.decline_class, a.decline_code,
           a.attempt_no = max(a.attempt_no) over (partition by a.statement_id) as is_last
      from billing.payment_attempt a
     where a.outcome = 'declined' and a.statement_id >= %(first_id)s and a.statement_id < %(next_id)s
)
select decline_class, decline_code, count(*), count(*) filter (where is_last),
       count(*) filter (where is_last and s.balance_due > 0)
  from declined join finance.statements s using (statement_id)
 where s.period = %(period)s group by decline_class, decline_code;
