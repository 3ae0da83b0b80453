-- The items of an account statement summed by kind, in the order of the statement, for its page and PDF.
select item_kind, count(*) as items, sum(net_minor)::bigint as net_minor, sum(tax_minor)::bigint as tax_minor,
       sum(total_minor)::bigint as total_minor, sum(settled_minor)::bigint as settled_minor
from billing.account_statement_item
where statement_id = %(statement)s
group by item_kind
order by array_position(
             array['opening_balance', 'connector_statement', 'correction', 'charge', 'payment', 'paid_outside'],
             item_kind);
