-- What the gateway says it has, beside what we recorded.

-- A copy of the gateway's list, for comparing and for finance; it moves no money.
create table billing.gateway_payment (
    gateway_payment_id text primary key,
    outcome text not null check (outcome in ('succeeded', 'declined', 'unknown')),
    amount_minor bigint not null,
    refunded_minor bigint not null default 0,
    currency text not null,
    created_at timestamptz not null,
    customer text,
    -- What we asked it for, as the payment itself names it; null for payments that this warehouse didn't ask for.
    attempt_id bigint,
    statement_id text,
    decline_code text,
    advice_code text,
    seen_at timestamptz not null default now(),
    -- Since when the gateway no longer lists it.
    gone_at timestamptz
);
create index gateway_payment_attempt on billing.gateway_payment (attempt_id);
create index gateway_payment_created on billing.gateway_payment (created_at);
create index gateway_payment_statement on billing.gateway_payment (statement_id);

-- A difference that a person must look at: it is never fixed here.
create table billing.payment_break (
    break_id bigint generated always as identity primary key,
    kind text not null constraint break_kind check (
        kind in ('charged_not_recorded', 'recorded_not_charged', 'amount_differs', 'duplicate', 'refunded')
    ),
    gateway_payment_id text not null,
    attempt_id bigint,
    statement_id text,
    currency text not null,
    recorded_minor bigint not null,
    gateway_minor bigint not null,
    detail text not null,
    first_seen_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    gone_at timestamptz,
    unique (kind, gateway_payment_id)
);
