-- What the gateway refused for a reason of ours isn't tried: on the same occasion the statement may be tried again.
create unique index one_attempt_on_an_occasion on billing.payment_attempt (statement_id, occasion)
where outcome <> 'refused';
