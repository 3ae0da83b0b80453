-- Items of our own record that are on no account statement yet: statements, corrections, payments, undone payments, and
-- payments that the gateway gave back, with what was credited for them; what was written off, or sent
-- back by other ways.
-- `period` is that of the connector statement concerned.
create or replace view billing.unstated_item as
select 'connector_statement' as item_kind, s.statement_id as item_id, s.period::text as period, s.account_id,
       s.issued_at as occurred_at, 'Connector statement ' || s.statement_id as description, s.currency, s.minor_unit,
       s.net_minor, s.tax_minor, s.total_minor
from billing.statement s
where s.kind = 'connector' and not exists (
    select from billing.account_statement_item i
    where i.item_kind = 'connector_statement' and i.item_id = s.statement_id)
union all
select 'correction', s.statement_id, s.period, s.account_id, s.issued_at,
       'Correction of ' || s.corrects_statement_id, s.currency, s.minor_unit, s.net_minor, s.tax_minor, s.total_minor
from billing.statement s
where s.kind = 'correction' and not exists (
    select from billing.account_statement_item i where i.item_kind = 'correction' and i.item_id = s.statement_id)
union all
select 'payment', a.gateway_payment_id, s.period, s.account_id, a.settled_at, 'Payment of ' || s.statement_id,
       a.currency, a.minor_unit, -a.amount_minor, 0, -a.amount_minor
from billing.payment_attempt a join billing.statement s using (statement_id)
where a.outcome = 'succeeded' and not exists (
    select from billing.account_statement_item i where i.item_kind = 'payment' and i.item_id = a.gateway_payment_id)
union all
select 'paid_outside', 'paid-outside-' || p.paid_outside_id, s.period, s.account_id, p.recorded_at,
       'Payment of ' || s.statement_id || ' on ' || p.paid_on || ', ' || p.reference,
       p.currency, p.minor_unit, -p.amount_minor, 0, -p.amount_minor
from billing.paid_outside p join billing.statement s using (statement_id)
where not exists (
    select from billing.account_statement_item i
    where i.item_kind = 'paid_outside' and i.item_id = 'paid-outside-' || p.paid_outside_id)
union all
select 'paid_outside', 'paid-outside-' || p.paid_outside_id || '-undone', s.period, s.account_id, r.recorded_at,
       'Undone, booked by mistake: payment of ' || s.statement_id || ' on ' || p.paid_on || ', ' || p.reference,
       p.currency, p.minor_unit, p.amount_minor, 0, p.amount_minor
from billing.paid_outside_reversal r
join billing.paid_outside p using (paid_outside_id)
join billing.statement s on s.statement_id = p.statement_id
where not exists (
    select from billing.account_statement_item i
    where i.item_kind = 'paid_outside' and i.item_id = 'paid-outside-' || p.paid_outside_id || '-undone')
union all
select 'payment', r.gateway_payment_id || k.suffix || r.return_id, s.period, s.account_id, r.recorded_at,
       k.says || s.statement_id, r.currency, r.minor_unit, k.sign * r.amount_minor, 0, k.sign * r.amount_minor
from billing.payment_return r
join billing.statement s using (statement_id)
cross join lateral (values
    ('-refunded-', case r.cause when 'dispute' then 'Dispute lost: payment of ' else 'Refunded: payment of ' end, 1),
    ('-credited-', 'Credited: ', -1)) k (suffix, says, sign)
where (k.sign = 1 or not r.is_due_again) and not exists (
    select from billing.account_statement_item i
    where i.item_kind = 'payment' and i.item_id = r.gateway_payment_id || k.suffix || r.return_id)
union all
select 'payment', 'written-off-' || w.adjustment_id || k.suffix, s.period, s.account_id,
       case k.sign when 1 then u.recorded_at else w.recorded_at end, k.says || s.statement_id, w.currency, w.minor_unit,
       k.sign * w.amount_minor, 0, k.sign * w.amount_minor
from billing.adjustment w
join billing.statement s using (statement_id)
left join billing.adjustment u on u.reverses_id = w.adjustment_id
cross join lateral (values
    ('', 'Written off: ', -1), ('-undone', 'Write-off undone: ', 1)) k (suffix, says, sign)
where w.kind = 'write_off' and (k.sign = -1 or u.adjustment_id is not null) and not exists (
    select from billing.account_statement_item i
    where i.item_kind = 'payment' and i.item_id = 'written-off-' || w.adjustment_id || k.suffix)
union all
select 'paid_outside', 'paid-outside-refund-' || b.adjustment_id, s.period, s.account_id, b.recorded_at,
       'Sent back: credit of ' || s.statement_id || ' on ' || b.paid_on || ', ' || b.reference, b.currency,
       b.minor_unit, b.amount_minor, 0, b.amount_minor
from billing.adjustment b join billing.statement s using (statement_id)
where b.kind = 'refund_outside' and not exists (
    select from billing.account_statement_item i
    where i.item_kind = 'paid_outside' and i.item_id = 'paid-outside-refund-' || b.adjustment_id);
