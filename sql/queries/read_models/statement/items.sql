-- A page of an account statement's items in the order of the statement (opening balance, statements, corrections,
-- charges, payments; each by time), for its page and PDF.
select item_kind, item_id, occurred_at, description, currency, minor_unit, net_minor, tax_minor, total_minor,
       settled_minor
from billing.account_statement_item
where statement_id = %(statement)s
order by array_position(
             array['opening_balance', 'connector_statement', 'correction', 'charge', 'payment', 'paid_outside'],
             item_kind),
         occurred_at, item_id
limit %(most)s offset %(offset)s;
