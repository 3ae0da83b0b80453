create or replace view finance.adjustments with (security_barrier) as
select a.adjustment_id,
       a.kind,
       a.statement_id,
       s.account_id,
       s.period::text as period,
       a.correction_id,
       a.currency,
       round(a.amount_minor / power(10::numeric, a.minor_unit), a.minor_unit) as amount,
       a.recorded_at,
       a.actor as recorded_by,
       a.reason,
       a.customer_text,
       a.paid_on,
       a.reference,
       a.reverses_id as reverses_adjustment_id,
       q.actor as requested_by,
       q.recorded_at as requested_at,
       a.adjustment_id is not null as is_carried_out,
       q.adjustment_request_id,
       'booked' as outcome
from billing.adjustment a
join billing.statement s using (statement_id)
left join billing.adjustment_request q on q.adjustment_request_id = a.approves
union all
select null, q.kind, q.statement_id, s.account_id, s.period::text, null, q.currency,
       round(q.amount_minor / power(10::numeric, q.minor_unit), q.minor_unit), null, null, q.reason,
       q.facts ->> 'customer_text', (q.facts ->> 'paid_on')::date, q.facts ->> 'reference', null, q.actor,
       q.recorded_at, false, q.adjustment_request_id, 'requested'
from billing.adjustment_request q
join billing.statement s using (statement_id)
where not exists (select from billing.adjustment a where a.approves = q.adjustment_request_id)
  and not exists (select from billing.refund_attempt r where r.approves = q.adjustment_request_id)
union all
select null, case when r.is_due_again then 'refund_due_again' else 'refund' end, r.statement_id, s.account_id,
       s.period::text, null, r.currency, round(r.amount_minor / power(10::numeric, r.minor_unit), r.minor_unit),
       coalesce(r.settled_at, r.requested_at), r.actor, r.reason, null, null, r.gateway_payment_id, null, q.actor,
       q.recorded_at, true, q.adjustment_request_id,
       case r.outcome when 'succeeded' then 'booked' else r.outcome end
from billing.refund_attempt r
join billing.statement s using (statement_id)
left join billing.adjustment_request q on q.adjustment_request_id = r.approves;

comment on view finance.adjustments is 'One row per credit, extra debit, write-off, its undoing, credit sent back by other ways than the gateway, or refund of a payment through the gateway; and per request for one that waits for a second person';
comment on column finance.adjustments.adjustment_id is 'Number of the adjustment; null while it waits for a second person, and for a refund through the gateway';
comment on column finance.adjustments.kind is 'goodwill, extra_debit, write_off, undo_write_off, refund_outside, refund (of a credit, through the gateway) or refund_due_again';
comment on column finance.adjustments.statement_id is 'Connector statement that is adjusted';
comment on column finance.adjustments.account_id is 'Account of the statement';
comment on column finance.adjustments.period is 'Billing month of the statement, YYYY-MM';
comment on column finance.adjustments.correction_id is 'The linked credit or debit note of a goodwill or extra_debit; null for others';
comment on column finance.adjustments.currency is 'ISO 4217 code';
comment on column finance.adjustments.amount is 'Amount above zero, tax included, in major units';
comment on column finance.adjustments.recorded_at is 'When it was carried out';
comment on column finance.adjustments.recorded_by is 'Who carried it out';
comment on column finance.adjustments.reason is 'Why, for the audit; no customer reads it';
comment on column finance.adjustments.customer_text is 'What the customer reads on the note and in its mail; null: nothing';
comment on column finance.adjustments.paid_on is 'Day on which a credit was sent back';
comment on column finance.adjustments.reference is 'What identifies that payment; of a refund through the gateway the payment that is refunded';
comment on column finance.adjustments.reverses_adjustment_id is 'The write-off that an undo_write_off takes back';
comment on column finance.adjustments.requested_by is 'Who asked for it, where the amount took two people';
comment on column finance.adjustments.requested_at is 'When that was';
comment on column finance.adjustments.is_carried_out is 'False while it waits for a second person';
comment on column finance.adjustments.adjustment_request_id is 'Number of the request, which the second person names; null where one person was enough';
comment on column finance.adjustments.outcome is 'booked, or requested: it waits for a second person; of a refund through the gateway also pending, unknown or refused';
