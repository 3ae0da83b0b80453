-- How many of a month's attempts have no outcome yet, for the Month page. first_id and next_id are the range of the
-- month's statement ids.
select count(*) from billing.payment_attempt
 where outcome in ('pending', 'unknown') and statement_id >= %(first_id)s and statement_id < %(next_id)s;
