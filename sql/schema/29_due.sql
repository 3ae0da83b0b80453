-- The list of what is due is read by the reason of open plans, and by the code of a decline.
create index payment_plan_by_reason on billing.payment_plan (reason_id, statement_id) where reason_id <> 'PAID';
create index attempt_declined on billing.payment_attempt (decline_code, statement_id) where outcome = 'declined';
