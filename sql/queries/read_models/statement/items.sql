-- A page of an account statement's items in the order of the statement (opening balance, statements, corrections,
-- charges, payments; each by time), for its page and PDF.
select item_kind as kind, item_id, occurred_at, description, billing.major(net_minor, minor_unit) as net,
       billing.major(tax_minor, minor_unit) as tax, billing.major(total_minor, minor_unit) as total,
       billing.major(settled_minor, minor_unit) as settled
from billing.account_statement_item
where statement_id = %(statement)s
order by array_position(
             array['opening_balance', 'connector_statement', 'correction', 'charge', 'payment', 'paid_outside'],
             item_kind),
         occurred_at, item_id
limit %(most)s offset %(offset)s;
