-- Of these statements, the connector statements of the period, with their accounts.
select statement_id, account_id from billing.statement
where kind = 'connector' and period = %(period)s and statement_id = any(%(statements)s)
order by statement_id
