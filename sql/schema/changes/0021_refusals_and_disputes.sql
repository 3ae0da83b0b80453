-- Another outcome of attempts, which leaves the occasion free, and more columns of the gateway's payments.
alter table billing.payment_attempt
    drop constraint if exists attempt_outcome,
    drop constraint if exists one_attempt_per_occasion,
    add constraint attempt_outcome check (
        outcome in ('pending', 'succeeded', 'declined', 'refused', 'unknown')
    );
alter table billing.gateway_payment
    add column if not exists dispute text check (dispute in ('opened', 'won', 'lost')),
    add column if not exists disputed_minor bigint not null default 0,
    add column if not exists livemode boolean;
alter table billing.payment_break
    drop constraint if exists break_kind,
    add constraint break_kind check (
        kind in (
            'charged_not_recorded', 'recorded_not_charged', 'amount_differs', 'duplicate', 'refunded',
            'dispute_opened', 'dispute_won', 'dispute_lost'
        )
    );
