-- The items of an account statement summed by kind, in the order of the statement, for its page and PDF.
select item_kind as kind, count(*) as item_count, billing.major(sum(net_minor)::bigint, minor_unit) as net,
       billing.major(sum(tax_minor)::bigint, minor_unit) as tax,
       billing.major(sum(total_minor)::bigint, minor_unit) as total,
       billing.major(sum(settled_minor)::bigint, minor_unit) as settled
from billing.account_statement_item
where statement_id = %(statement)s
group by item_kind, minor_unit
order by array_position(
             array['opening_balance', 'connector_statement', 'correction', 'charge', 'payment', 'paid_outside'],
             item_kind);
