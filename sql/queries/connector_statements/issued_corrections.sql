-- The corrections that a run has issued: their ids, what they correct, and by how much.
select statement_id, corrects_statement_id, account_id, currency, minor_unit, net_minor, tax_minor, total_minor
from billing.statement
where statement_id > 'C' and kind = 'correction' and run_id = %(run_id)s
  and period = (select period from billing.run where run_id = %(run_id)s)
order by corrects_statement_id
