-- A month's declined attempts by class and code, for the Month page. A statement that ever failed counts once, by its
-- last decline; `unpaid` counts those on which something is still due. first_id and next_id are the range of the
-- month's statement ids.
with failed as (
    -- By the index on statuses, which leaves out the many that never failed.
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
