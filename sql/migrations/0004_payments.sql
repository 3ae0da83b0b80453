-- How statements are collected: attempts at the gateway, payments by other ways, the plan of retries, the shared pace.
-- The writer changes none of these tables directly: it opens, claims and settles attempts through the functions below,
-- each of which locks the statements concerned first, so that of several who collect one statement a single one does.

-- This warehouse's name at the gateway: two warehouses on one gateway never mistake each other's payments for theirs.
create table billing.installation (
    installation_id uuid primary key default gen_random_uuid(),
    is_only boolean not null default true unique check (is_only)
);
insert into billing.installation default values;

create table billing.payment_attempt (
    attempt_id bigint generated always as identity primary key,
    statement_id text not null references billing.statement,
    attempt_no integer not null check (attempt_no > 0),
    trigger text not null constraint attempt_trigger check (trigger in ('issue', 'month_end', 'planned', 'rebill')),
    -- What called for it: at one occasion a statement is tried once, however often a task is run again.
    occasion text not null,
    -- Which run makes the call; a run that was cut off finds its own calls by it.
    batch text not null,
    requested_by text not null check (requested_by <> ''),
    requested_at timestamptz not null default clock_timestamp(),
    currency text not null,
    minor_unit smallint not null,
    amount_minor bigint not null check (amount_minor > 0),
    customer text,
    payment_method text,
    idempotency_key text not null unique check (length(idempotency_key) <= 255),
    outcome text not null default 'pending' constraint attempt_outcome check (
        outcome in ('pending', 'succeeded', 'declined', 'unknown')),
    sent_at timestamptz,
    claimed_at timestamptz,
    gateway_payment_id text,
    decline_code text,
    advice_code text,
    decline_class text check (decline_class in ('hard', 'soft', 'needs_customer', 'unknown')),
    message text,
    settled_at timestamptz,
    unique (statement_id, attempt_no),
    constraint one_attempt_per_occasion unique (statement_id, occasion),
    constraint decline_has_a_reason check (outcome <> 'declined' or (decline_code is not null and decline_class is not null)),
    constraint success_is_named check (outcome <> 'succeeded' or gateway_payment_id is not null)
);
create unique index one_open_attempt_per_statement on billing.payment_attempt (statement_id)
    where outcome in ('pending', 'unknown');
create unique index a_gateway_payment_settles_one_attempt on billing.payment_attempt (gateway_payment_id)
    where outcome = 'succeeded';
create index attempt_batch on billing.payment_attempt (batch, attempt_id) where outcome = 'pending';
create index attempt_requested on billing.payment_attempt (requested_at);

create table billing.paid_outside (
    paid_outside_id bigint generated always as identity primary key,
    -- Given by who asks: the same request again is the same payment.
    request_id text not null unique,
    statement_id text not null references billing.statement,
    amount_minor bigint not null check (amount_minor > 0),
    currency text not null,
    minor_unit smallint not null,
    paid_on date not null,
    reference text not null check (reference <> ''),
    actor text not null check (actor <> ''),
    reason text not null check (reason <> ''),
    recorded_at timestamptz not null default clock_timestamp()
);
create index paid_outside_statement on billing.paid_outside (statement_id);
create index paid_outside_reference on billing.paid_outside (reference);

alter table billing.transfer
    add attempt_id bigint references billing.payment_attempt,
    add paid_outside_id bigint references billing.paid_outside,
    add constraint payment_is_named check (
        (kind = 'payment') = (attempt_id is not null) and (kind = 'paid_outside') = (paid_outside_id is not null));
create unique index attempt_posted_once on billing.transfer (attempt_id) where attempt_id is not null;
create unique index paid_outside_posted_once on billing.transfer (paid_outside_id) where paid_outside_id is not null;

-- When a statement whose collection failed is tried next, and why then or not at all; reason PAID once nothing is due.
-- A statement gets its row in the transaction in which it fails (TO-BE-PLANNED), so that none is forgotten if whoever
-- was to plan it is cut off. Advice only: no money follows from it.
create table billing.payment_plan (
    statement_id text primary key references billing.statement,
    planned_at timestamptz,
    reason_id text not null,
    detail text not null,
    decided_at timestamptz not null default now()
);
create index payment_plan_open on billing.payment_plan (statement_id) where reason_id <> 'PAID';

create table billing.gateway_pace (
    gateway text primary key,
    next_turn timestamptz not null
);

-- Immutability: an attempt's outcome is settled once and never otherwise; all else of it never changes.
create function billing.refuse_change_of_attempt() returns trigger language plpgsql as $$
begin
    if tg_op <> 'DELETE' and old.outcome in ('pending', 'unknown')
       and (old.outcome = new.outcome or new.outcome <> 'pending')
       and (old.attempt_id, old.statement_id, old.attempt_no, old.trigger, old.occasion, old.batch, old.requested_by,
            old.requested_at, old.currency, old.minor_unit, old.amount_minor, old.customer, old.payment_method,
            old.idempotency_key)
           is not distinct from
           (new.attempt_id, new.statement_id, new.attempt_no, new.trigger, new.occasion, new.batch, new.requested_by,
            new.requested_at, new.currency, new.minor_unit, new.amount_minor, new.customer, new.payment_method,
            new.idempotency_key) then
        return new;
    end if;
    raise exception '% of attempt % refused: what was asked for never changes, nor does a settled outcome', tg_op,
        old.attempt_id using errcode = 'EV002';
end
$$;
create trigger attempt_is_settled_once before update or delete on billing.payment_attempt
    for each row execute function billing.refuse_change_of_attempt();
create trigger attempt_is_not_emptied before truncate on billing.payment_attempt
    for each statement execute function billing.refuse_change();
create trigger paid_outside_is_immutable before update or delete on billing.paid_outside
    for each row execute function billing.refuse_change();
create trigger paid_outside_is_not_emptied before truncate on billing.paid_outside
    for each statement execute function billing.refuse_change();
create trigger installation_is_immutable before update or delete on billing.installation
    for each row execute function billing.refuse_change();

-- Puts statements among those to be planned, unless they are there already. Ids in order: who plans takes the rows so too.
create function billing.plan_later(p_statements text[], p_detail text) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    insert into billing.payment_plan as p (statement_id, reason_id, detail)
    select distinct s.statement_id, 'TO-BE-PLANNED', p_detail from unnest(p_statements) as s (statement_id) order by 1
    on conflict (statement_id) do update
    set planned_at = null, reason_id = excluded.reason_id, detail = excluded.detail, decided_at = now()
    where p.reason_id = 'PAID'
$$;

-- A correction waits for a charge that is under way: the charge is of the balance as it was, and a credit meanwhile would
-- make it too much. What a correction adds to a statement that was tried already is collected with what failed.
-- Named so that it comes after statement_posts_itself, which locks what is corrected.
create function billing.refuse_correction_under_way() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_under_way text;
begin
    if not exists (select from issued where kind = 'correction') then
        return null;
    end if;
    select string_agg(a.statement_id, ', ' order by a.statement_id) into v_under_way
    from billing.payment_attempt a
    where a.outcome in ('pending', 'unknown')
      and a.statement_id in (select corrects_statement_id from issued where kind = 'correction');
    if v_under_way is not null then
        raise exception 'a charge is under way, and its outcome isn''t known yet, of %', v_under_way
            using errcode = 'EV004', hint = 'wait for it; payment_reconciliation settles what stays unknown';
    end if;
    perform billing.plan_later(
        array(select corrects_statement_id from issued where kind = 'correction'
                and billing.balance_minor(corrects_statement_id) > 0
                and exists (select from billing.payment_attempt a where a.statement_id = corrects_statement_id)),
        'a correction raised what is due');
    return null;
end
$$;
create trigger statement_waits_for_charges after insert on billing.statement
    referencing new table as issued for each statement execute function billing.refuse_correction_under_way();

-- Opens one attempt for each of `p_statements` that may be tried, committed by the caller before any call is made.
-- Arrays are parallel: the payer's customer and payment method at the gateway (null: none known), and the step in minor
-- units in which the gateway charges. Returns for each statement the attempt, or why there is none:
-- unknown, not_collectable, paid, too_small, open_attempt, repeated, capped, hard_decline.
-- Without a payment method the attempt is a decline at once.
create function billing.open_attempts(
    p_trigger text, p_occasion text, p_batch text, p_actor text, p_reason text, p_cap integer,
    p_statements text[], p_customers text[], p_methods text[], p_steps integer[])
returns table (statement_id text, attempt_id bigint, refused text, amount_minor bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    if (cardinality(p_customers), cardinality(p_methods), cardinality(p_steps), p_cap > 0)
           is distinct from (cardinality(p_statements), cardinality(p_statements), cardinality(p_statements), true)
       or (select count(distinct a) from unnest(p_statements) a) <> cardinality(p_statements) then
        raise exception 'attempts are opened for different statements, each with a payer, a step and a cap above zero'
            using errcode = 'EV004';
    end if;
    perform billing.lock_statements(p_statements);
    return query
    with asked as (
        select a.statement_id, nullif(a.customer, '') as customer, nullif(a.method, '') as method,
               greatest(a.step, 1) as step
        from unnest(p_statements, p_customers, p_methods, p_steps) as a (statement_id, customer, method, step)
    ), looked as (
        select a.*, s.kind, s.currency, s.minor_unit, m.balance - m.balance % a.step as amount, m.balance,
               h.attempts, h.recent, h.is_open, h.is_repeated, l.decline_class as last_class,
               l.payment_method as last_method, l.customer as last_customer
        from asked a
        left join billing.statement s on s.statement_id = a.statement_id
        left join lateral (select billing.balance_minor(a.statement_id) as balance) m on s.kind = 'connector'
        left join lateral (
            select count(*)::integer as attempts,
                   count(*) filter (where p.sent_at > clock_timestamp() - interval '30 days') as recent,
                   bool_or(p.outcome in ('pending', 'unknown')) as is_open,
                   bool_or(p.occasion = p_occasion) as is_repeated
            from billing.payment_attempt p where p.statement_id = a.statement_id) h on true
        left join lateral (
            select p.decline_class, p.payment_method, p.customer from billing.payment_attempt p
            where p.statement_id = a.statement_id and p.outcome = 'declined'
            order by p.attempt_no desc limit 1) l on true
    ), judged as (
        select k.*, case
            when k.kind is null then 'unknown'
            when k.kind <> 'connector' then 'not_collectable'
            when k.is_repeated then 'repeated'
            when k.is_open then 'open_attempt'
            when k.balance <= 0 then 'paid'
            when k.amount <= 0 then 'too_small'
            when k.recent >= p_cap then 'capped'
            when k.last_class = 'hard' and (k.last_method, k.last_customer) is not distinct from (k.method, k.customer)
                then 'hard_decline'
        end as refused
        from looked k
    ), opened as (
        insert into billing.payment_attempt as n (
            statement_id, attempt_no, trigger, occasion, batch, requested_by, currency, minor_unit, amount_minor,
            customer, payment_method, idempotency_key, outcome, decline_code, decline_class, message, settled_at)
        select j.statement_id, j.attempts + 1, p_trigger, p_occasion, p_batch, p_actor, j.currency, j.minor_unit,
               j.amount, j.customer, j.method,
               'evbilling/' || i.installation_id || '/' || j.statement_id || '/' || j.attempts + 1,
               case when j.method is null or j.customer is null then 'declined' else 'pending' end,
               case when j.method is null or j.customer is null then 'no_payment_method' end,
               case when j.method is null or j.customer is null then 'needs_customer' end,
               case when j.method is null or j.customer is null
                    then 'the financial admin has no payment method' end,
               case when j.method is null or j.customer is null then clock_timestamp() end
        from judged j cross join billing.installation i
        where j.refused is null
        order by j.statement_id
        returning n.attempt_id, n.statement_id, n.amount_minor, n.outcome
    ), planned as (
        select billing.plan_later(array_agg(o.statement_id), 'no payment method was stored')
        from opened o where o.outcome = 'declined'
    ), audited as (
        insert into billing.audit_event (actor, action, subject_id, reason)
        select p_actor, 'rebill', o.statement_id, p_reason from opened o where p_trigger = 'rebill'
        returning 1
    )
    select j.statement_id, o.attempt_id, j.refused, o.amount_minor
    from judged j left join opened o on o.statement_id = j.statement_id cross join planned
    order by j.statement_id;
end
$$;

-- Takes up to `p_most` of a batch's attempts that wait to be sent, or whose sender was cut off before recording an
-- answer, and marks them as sent: from the commit on, only the gateway knows what became of them. Attempts claimed
-- less than `p_lease` ago belong to another sender; those first sent before the gateway forgets a key (24 hours) are not
-- sent again but left to be asked about.
create function billing.claim_attempts(p_batch text, p_most integer, p_lease interval)
returns table (attempt_id bigint, statement_id text, idempotency_key text, amount_minor bigint, currency text,
               customer text, payment_method text, attempt_no integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    return query
    with free as (
        select p.attempt_id from billing.payment_attempt p
        where p.batch = p_batch and p.outcome = 'pending'
          and (p.claimed_at is null or p.claimed_at < clock_timestamp() - p_lease)
          and (p.sent_at is null or p.sent_at > clock_timestamp() - interval '23 hours')
        order by p.attempt_id limit p_most for update skip locked
    )
    update billing.payment_attempt p
    set sent_at = coalesce(p.sent_at, clock_timestamp()), claimed_at = clock_timestamp()
    from free where p.attempt_id = free.attempt_id
    returning p.attempt_id, p.statement_id, p.idempotency_key, p.amount_minor, p.currency, p.customer,
              p.payment_method, p.attempt_no;
end
$$;

-- Records what became of attempts; parallel arrays. A success posts its payment in the same transaction. What is settled
-- already stays as it is, so recording the same answer twice changes nothing. Returns the attempts that were changed.
create function billing.record_outcomes(
    p_attempts bigint[], p_outcomes text[], p_gateway_ids text[], p_decline_codes text[], p_advice_codes text[],
    p_decline_classes text[], p_messages text[])
returns table (attempt_id bigint, statement_id text, outcome text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    if (cardinality(p_outcomes), cardinality(p_gateway_ids), cardinality(p_decline_codes), cardinality(p_advice_codes),
        cardinality(p_decline_classes), cardinality(p_messages))
           is distinct from (cardinality(p_attempts), cardinality(p_attempts), cardinality(p_attempts),
                             cardinality(p_attempts), cardinality(p_attempts), cardinality(p_attempts))
       or (select count(distinct a) from unnest(p_attempts) a) <> cardinality(p_attempts)
       or exists (select from unnest(p_outcomes) o
                  where (o in ('succeeded', 'declined', 'unknown')) is distinct from true) then
        raise exception 'outcomes are recorded for different attempts, one answer each'
            using errcode = 'EV004';
    end if;
    perform billing.lock_statements(array(
        select p.statement_id from billing.payment_attempt p where p.attempt_id = any(p_attempts)));
    return query
    with answer as (
        select * from unnest(p_attempts, p_outcomes, p_gateway_ids, p_decline_codes, p_advice_codes, p_decline_classes,
                             p_messages)
            as a (attempt_id, outcome, gateway_id, decline_code, advice_code, decline_class, message)
    ), settled as (
        update billing.payment_attempt p
        set outcome = a.outcome, gateway_payment_id = coalesce(a.gateway_id, p.gateway_payment_id),
            decline_code = a.decline_code, advice_code = a.advice_code, decline_class = a.decline_class,
            message = left(a.message, 1000),
            settled_at = case when a.outcome <> 'unknown' then clock_timestamp() end
        from answer a
        where p.attempt_id = a.attempt_id and p.outcome in ('pending', 'unknown')
          and (p.outcome <> a.outcome or p.gateway_payment_id is distinct from a.gateway_id and a.gateway_id is not null)
        returning p.attempt_id, p.statement_id, p.outcome, p.amount_minor, p.currency
    ), posted as (
        insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, attempt_id)
        select 'payment', s.statement_id, 'cash', 'receivable', s.amount_minor, s.currency, s.attempt_id
        from settled s where s.outcome = 'succeeded' order by s.attempt_id
        returning 1
    ), planned as (
        select billing.plan_later(array_agg(s.statement_id), 'the charge was declined')
        from settled s where s.outcome = 'declined'
    )
    select s.attempt_id, s.statement_id, s.outcome from settled s cross join planned order by s.attempt_id;
end
$$;

-- Records a payment made outside the gateway; amount null: all that is due. Returns its id, the amount, and whether it is
-- new (the same request again is not). Refuses with EV004 what can't be right.
create function billing.record_paid_outside(
    p_request_id text, p_statement_id text, p_amount_minor bigint, p_currency text, p_paid_on date, p_reference text,
    p_actor text, p_reason text, out paid_outside_id bigint, out amount_minor bigint, out is_new boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_statement billing.statement;
    v_recorded billing.paid_outside;
    v_balance bigint;
    v_open bigint;
begin
    perform billing.lock_statements(array[p_statement_id]);
    select * into v_statement from billing.statement s where s.statement_id = p_statement_id;
    if v_statement.statement_id is null then
        raise exception 'there is no statement %', p_statement_id using errcode = 'EV004', hint = 'look up its id in finance.statements';
    end if;
    select * into v_recorded from billing.paid_outside o where o.request_id = p_request_id;
    if v_recorded.paid_outside_id is null then
        if v_statement.kind <> 'connector' then
            raise exception '% is no connector statement', p_statement_id
                using errcode = 'EV004', hint = 'mark the connector statements paid that it lists';
        end if;
        if v_statement.currency is distinct from p_currency then
            raise exception '% is in %, not in %', p_statement_id, v_statement.currency, p_currency
                using errcode = 'EV004', hint = 'give the amount in the statement''s currency';
        end if;
        select a.attempt_id into v_open from billing.payment_attempt a
        where a.statement_id = p_statement_id and a.outcome in ('pending', 'unknown');
        if v_open is not null then
            raise exception 'a charge of % is under way (attempt %), and its outcome isn''t known yet', p_statement_id, v_open
                using errcode = 'EV004', hint = 'wait for it; payment_reconciliation settles what stays unknown';
        end if;
        v_balance := billing.balance_minor(p_statement_id);
        if v_balance <= 0 then
            raise exception '% is paid: nothing is due on it', p_statement_id
                using errcode = 'EV004', hint = 'see its payments in finance.payments';
        end if;
        if p_amount_minor > v_balance then
            raise exception '% % is more than the % % due on %',
                round(p_amount_minor / power(10::numeric, v_statement.minor_unit), v_statement.minor_unit), p_currency,
                round(v_balance / power(10::numeric, v_statement.minor_unit), v_statement.minor_unit), p_currency,
                p_statement_id
                using errcode = 'EV004', hint = 'give at most what is due';
        end if;
        insert into billing.paid_outside (
            request_id, statement_id, amount_minor, currency, minor_unit, paid_on, reference, actor, reason)
        values (p_request_id, p_statement_id, coalesce(p_amount_minor, v_balance), p_currency, v_statement.minor_unit,
                p_paid_on, p_reference, p_actor, p_reason)
        on conflict (request_id) do nothing returning * into v_recorded;
        is_new := v_recorded.paid_outside_id is not null;
    else
        is_new := false;
    end if;
    if v_recorded.statement_id is distinct from p_statement_id or v_recorded.amount_minor <> p_amount_minor then
        raise exception 'the request % was for another payment already', p_request_id
            using errcode = 'EV004', hint = 'make a new request for each payment';
    end if;
    paid_outside_id := v_recorded.paid_outside_id;
    amount_minor := v_recorded.amount_minor;
    if is_new then
        insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, paid_outside_id)
        values ('paid_outside', p_statement_id, 'paid_outside', 'receivable', amount_minor, p_currency, paid_outside_id);
        insert into billing.audit_event (actor, action, subject_id, reason)
        values (p_actor, 'mark_as_paid', p_statement_id, p_reason);
    end if;
end
$$;

-- Reserves `p_turns` turns at the gateway, `p_rate` a second over all processes; returns in how many seconds the first is.
create function billing.take_turns(p_gateway text, p_turns integer, p_rate double precision) returns double precision
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_span interval;
    v_next timestamptz;
begin
    -- Nobody needs turns for longer than some minutes; more would keep everybody else waiting.
    if (p_turns >= 1 and p_rate > 0 and p_rate <= 1e6 and p_turns / p_rate <= 600) is distinct from true then
        raise exception '% turns at % a second can''t be reserved', p_turns, p_rate using errcode = 'EV004';
    end if;
    v_span := p_turns / p_rate * interval '1 second';
    insert into billing.gateway_pace (gateway, next_turn) values (p_gateway, clock_timestamp()) on conflict do nothing;
    update billing.gateway_pace
    -- What lies further ahead was reserved before the server's clock was set back.
    set next_turn = greatest(least(next_turn, clock_timestamp() + greatest(interval '5 minutes', 100 * v_span)),
                             clock_timestamp()) + v_span
    where gateway = p_gateway returning next_turn into v_next;
    return greatest(0, extract(epoch from v_next - v_span - clock_timestamp()));
end
$$;

revoke execute on all functions in schema billing from public;
grant execute on function
    billing.open_attempts(text, text, text, text, text, integer, text[], text[], text[], integer[]),
    billing.claim_attempts(text, integer, interval),
    billing.record_outcomes(bigint[], text[], text[], text[], text[], text[], text[]),
    billing.record_paid_outside(text, text, bigint, text, date, text, text, text),
    billing.take_turns(text, integer, double precision)
to evbilling_writer;
grant select on billing.installation, billing.payment_attempt, billing.paid_outside, billing.payment_plan,
    billing.gateway_pace to evbilling_writer;
grant insert, update on billing.payment_plan to evbilling_writer;
