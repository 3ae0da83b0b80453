-- A month's declined attempts by class and code. Each statement that ever failed counts once, by its last decline;
-- `unpaid` are those of them on which something is still due. For the Month page. Parameters: first_id, next_id (the
-- range of the month's statement ids).
with failed as (
    -- By the index on statuses: what never failed, nearly all, isn't looked at.
    select statement_id, balance_minor from billing.standing
     where statement_id >= %(first_id)s and statement_id < %(next_id)s and has_failed
       and status in ('Billing failure', 'Billing failure (resolved)', 'Partly paid', 'Paid manually')
), declined as (
    select a.decline_class, a.decline_code, f.balance_minor,
           a.attempt_no = max(a.attempt_no) over (partition by a.statement_id) as is_last
      from failed f join billing.payment_attempt a on a.statement_id = f.statement_id
     where a.outcome = 'declined'
)
select decline_class, decline_code, count(*), count(*) filter (where is_last),
       count(*) filter (where is_last and balance_minor > 0)
  from declined group by decline_class, decline_code;
