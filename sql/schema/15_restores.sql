-- How this warehouse finds out that it is older than the gateway's payments, because it was restored from a backup, and
-- what it does then: nothing is charged until a full comparison. See docs/decisions/0028.

-- The server, timeline and database that charges were last made from: billing.server_identity. Null until the first
-- look at the gateway. Who opens or claims attempts shares the row; who puts charging on hold locks it, so that no
-- attempt is claimed after that.
create table billing.charging_server (
    is_only boolean primary key default true check (is_only),
    identity text[]
);
insert into billing.charging_server default values;

create table billing.charging_hold (
    hold_id bigint generated always as identity primary key,
    -- gateway: it has a payment of ours that isn't recorded here. server: the database is on another one.
    sign text not null check (sign in ('gateway', 'server')),
    detail text not null,
    held_since timestamptz not null default clock_timestamp(),
    -- Part of the idempotency keys of later attempts: the numbers that keys are made of are given anew after a restore.
    key_mark text not null unique default left(gen_random_uuid()::text, 8),
    lifted_at timestamptz
);
comment on table billing.charging_hold is 'One row for each time that charging was put on hold after a restore';
create unique index one_charging_hold_at_a_time on billing.charging_hold ((true)) where lifted_at is null;

-- What the gateway had when a hold was lifted, and the attempts for it were lost with the restore.
create table billing.lost_payment (
    gateway_payment_id text primary key references billing.gateway_payment,
    hold_id bigint not null references billing.charging_hold
);
comment on table billing.lost_payment is 'One row per payment at the gateway whose attempt was lost with a restore';
