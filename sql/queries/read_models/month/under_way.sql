-- How many of a month's attempts have no outcome yet: under way, or known to the gateway alone. For the Month page.
-- Parameters: first_id, next_id (the range of the month's statement ids).
select count(*) from billing.payment_attempt
 where outcome in ('pending', 'unknown') and statement_id >= %(first_id)s and statement_id < %(next_id)s;
