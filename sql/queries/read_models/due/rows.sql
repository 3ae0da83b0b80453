-- What the page Due shows of its statements. The ids are literals, so that the planner looks at no other period.
select statement_id, account_id, account_name, period, currency, balance_due, reason_id, reason, who_acts, attempts,
       last_attempt_at, last_decline_code, next_attempt_at, due_since, age_days
from finance.due where statement_id = any(%(ids)s::text[])
