-- The connector statements of a month that these accounts have.
select account_id, statement_id from billing.statement
where kind = 'connector' and period = %(period)s and account_id = any(%(accounts)s)
