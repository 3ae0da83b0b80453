-- The postings that are left to export before an instant, with what a journal says of them, by their numbers.
select t.transfer_id, (t.posted_at at time zone %(time_zone)s)::date as booked_on, t.kind, t.statement_id,
       coalesce(t.correction_id, t.statement_id) as document_id, s.account_id, s.account_name,
       s.period::text as period, t.debit_account, t.credit_account, t.currency, s.minor_unit, t.amount_minor,
       coalesce(c.tax_rate, s.tax_rate) as tax_rate,
       coalesce(a.gateway_payment_id, 'paid-outside-' || t.paid_outside_id, r.gateway_payment_id,
                'paid-outside-refund-' || d.adjustment_id) as payment_id,
       coalesce(o.reference, d.reference) as reference
from billing.transfers_to_export(%(before)s) t
join billing.statement s on s.statement_id = t.statement_id
left join billing.statement c on c.statement_id = t.correction_id
left join billing.payment_attempt a on a.attempt_id = t.attempt_id
left join billing.paid_outside o on o.paid_outside_id = t.paid_outside_id
left join billing.payment_return r on r.return_id = t.return_id
left join billing.adjustment d on d.adjustment_id = t.adjustment_id and d.kind = 'refund_outside'
order by t.transfer_id
