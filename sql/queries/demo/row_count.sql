-- How many rows the finance views have of a period. A second run adds 0.
select (select count(*) from finance.statements where period = %(period)s)
     + (select count(*) from finance.connector_decisions where period = %(period)s)
     + (select count(*) from finance.unbilled_accounts where period = %(period)s)
     + (select count(*) from finance.account_statement_items i join finance.statements s using (statement_id)
         where s.period = %(period)s)
     + (select count(*) from finance.payment_attempts a join finance.statements s using (statement_id)
         where s.period = %(period)s);
