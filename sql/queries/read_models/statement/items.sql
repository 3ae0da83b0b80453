-- A page of an account statement's items in the order of the statement (opening balance, statements, corrections,
-- charges, payments; each by time), for its page and PDF. `description` is English, as finance reads it; a document
-- says the same in the customer's language from what the item is: `event`, the statement `concerns` and what
-- was recorded of the payment, or of the charge that was settled.
select i.item_kind as kind, i.item_id, i.occurred_at, i.description, billing.major(i.net_minor, i.minor_unit) as net,
       billing.major(i.tax_minor, i.minor_unit) as tax, billing.major(i.total_minor, i.minor_unit) as total,
       billing.major(i.settled_minor, i.minor_unit) as settled,
       case when r.is_credit then 'credit'
            when r.cause is not null then r.cause
            when w.event is not null then w.event
            when l.description is not null then 'settled'
            when o.is_undo then 'undo'
            else i.item_kind end as event,
       coalesce(c.corrects_statement_id, a.statement_id, r.statement_id, o.statement_id, w.statement_id) as concerns,
       coalesce(o.paid_on, w.paid_on) as paid_on, coalesce(o.reference, w.reference, l.description) as reference
from (
    select * from billing.account_statement_item
    where statement_id = %(statement)s
    order by array_position(
                 array['opening_balance', 'connector_statement', 'correction', 'charge', 'payment', 'paid_outside'],
                 item_kind),
             occurred_at, item_id
    limit %(most)s offset %(offset)s
) i
-- Each look-up is by key. `limit` keeps the planner from reading whole tables for them.
left join lateral (
    select s.corrects_statement_id from billing.statement s
    where i.item_kind = 'correction' and s.statement_id = i.item_id limit 1) c on true
left join lateral (
    select p.statement_id from billing.payment_attempt p
    where i.item_kind = 'payment' and p.outcome = 'succeeded' and p.gateway_payment_id = i.item_id limit 1) a on true
left join lateral (
    select p.statement_id, p.cause, i.item_id = p.gateway_payment_id || '-credited-' || p.return_id as is_credit
    from billing.payment_return p
    where i.item_kind = 'payment' and p.return_id = substring(i.item_id from '-([0-9]{{1,18}})$')::bigint
      and i.item_id in (p.gateway_payment_id || '-refunded-' || p.return_id,
                        p.gateway_payment_id || '-credited-' || p.return_id) limit 1) r on true
left join lateral (
    select p.statement_id, p.paid_on, p.reference, right(i.item_id, 7) = '-undone' as is_undo
    from billing.paid_outside p
    where i.item_kind = 'paid_outside'
      and p.paid_outside_id = substring(i.item_id from '^paid-outside-([0-9]{{1,18}})(?:-undone)?$')::bigint limit 1
) o on true
left join lateral (
    select j.statement_id, j.paid_on, j.reference,
           case when j.kind = 'refund_outside' then 'sent_back' when right(i.item_id, 7) = '-undone' then 'unwritten'
                else 'write_off' end as event
    from billing.adjustment j
    where i.item_kind in ('payment', 'paid_outside')
      and j.adjustment_id = substring(
              i.item_id from '^(?:written-off|paid-outside-refund)-([0-9]{{1,18}})(?:-undone)?$')::bigint limit 1
) w on true
left join lateral (
    select b.description from billing.account_statement_item b
    where i.item_kind = 'paid_outside' and b.item_kind = 'charge'
      and b.item_id = substring(i.item_id from '^settled/(.*)/-?[0-9]+$') limit 1) l on true
order by array_position(
             array['opening_balance', 'connector_statement', 'correction', 'charge', 'payment', 'paid_outside'],
             i.item_kind),
         i.occurred_at, i.item_id;
