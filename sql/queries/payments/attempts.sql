-- The attempts at statements that count when the next is planned: those declined and those that reached the gateway.
-- What the gateway refused for a reason of ours counts for nothing.
select statement_id, coalesce(sent_at, requested_at) as attempted_at, outcome, decline_class, decline_code,
       payment_method, sent_at is not null as reached_gateway, trigger = 'rebill' as is_by_hand
from billing.payment_attempt
where statement_id = any(%(statements)s) and outcome <> 'refused' and (outcome = 'declined' or sent_at is not null)
order by statement_id, attempt_no;
