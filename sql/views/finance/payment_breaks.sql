create or replace view finance.payment_breaks with (security_barrier) as
select b.break_id,
       b.kind,
       b.gateway_payment_id,
       b.attempt_id,
       b.statement_id,
       b.currency,
       b.recorded_minor,
       b.gateway_minor,
       b.detail,
       b.first_seen_at,
       b.last_seen_at,
       b.gone_at is null as is_open
from billing.payment_break b;

comment on view finance.payment_breaks is 'Differences between the gateway and our record that a person must look at';
comment on column finance.payment_breaks.break_id is 'Number of the break';
comment on column finance.payment_breaks.kind is 'charged_not_recorded, recorded_not_charged, amount_differs, duplicate, refunded, dispute_opened, dispute_won (told once) or dispute_lost';
comment on column finance.payment_breaks.gateway_payment_id is 'Payment at the gateway';
comment on column finance.payment_breaks.attempt_id is 'Attempt concerned, if known';
comment on column finance.payment_breaks.statement_id is 'Connector statement concerned, if known';
comment on column finance.payment_breaks.currency is 'ISO 4217 code';
comment on column finance.payment_breaks.recorded_minor is 'What we have recorded as paid, in minor units';
comment on column finance.payment_breaks.gateway_minor is 'What the gateway has, in minor units';
comment on column finance.payment_breaks.detail is 'The difference in words, with what to do';
comment on column finance.payment_breaks.first_seen_at is 'When it was first found';
comment on column finance.payment_breaks.last_seen_at is 'When it was last found';
comment on column finance.payment_breaks.is_open is 'False once a later comparison no longer found it';
