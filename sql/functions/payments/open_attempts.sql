-- Opens one attempt for each of `p_statements` that may be tried; the caller commits before it makes a call. The
-- arrays are parallel: the payer's customer and payment method at the gateway (null: none known), and the step in
-- minor units in which the gateway charges. Returns for each statement its attempt, or why there is none: unknown,
-- not_collectable, repeated, open_attempt, written_off, paid, unaccounted_payment, lost_payment, too_small, capped,
-- hard_decline.
-- Without a payment method the attempt is declined at once. A statement with a payment that nothing accounts for is
-- planned, so that it isn't forgotten once that is put right. Refused while charging is on hold.
create or replace function billing.open_attempts(
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
    perform billing.require_no_hold();
    perform billing.lock_statements(p_statements);
    return query
    with asked as (
        select a.statement_id, nullif(a.customer, '') as customer, nullif(a.method, '') as method,
               greatest(a.step, 1) as step
        from unnest(p_statements, p_customers, p_methods, p_steps) as a (statement_id, customer, method, step)
    ), looked as (
        select a.*, s.kind, s.currency, s.minor_unit, m.balance - m.balance % a.step as amount, m.balance,
               h.attempts, h.recent, h.is_open, h.is_repeated, l.decline_class as last_class,
               l.payment_method as last_method, l.customer as last_customer,
               a.statement_id in (select u.statement_id from billing.unaccounted_payments(p_statements) u)
                   as is_unaccounted,
               a.customer in (select billing.lost_customers()) as is_lost,
               exists (select from billing.adjustment w
                       where w.statement_id = a.statement_id and w.kind = 'write_off' and not exists (
                           select from billing.adjustment r where r.reverses_id = w.adjustment_id)) as is_written_off
        from asked a
        left join billing.statement s on s.statement_id = a.statement_id
        left join lateral (select billing.balance_minor(a.statement_id) as balance) m on s.kind = 'connector'
        left join lateral (
            select count(*)::integer as attempts,
                   -- What the gateway refused for a reason of ours counts for nothing.
                   count(*) filter (where p.sent_at > clock_timestamp() - interval '30 days' and p.outcome <> 'refused')
                       as recent,
                   bool_or(p.outcome in ('pending', 'unknown')) as is_open,
                   bool_or(p.occasion = p_occasion and p.outcome <> 'refused') as is_repeated
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
            when k.balance <= 0 and k.is_written_off then 'written_off'
            when k.balance <= 0 then 'paid'
            when k.is_unaccounted then 'unaccounted_payment'
            when k.is_lost then 'lost_payment'
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
               concat_ws('/', 'evbilling', i.installation_id,
                         (select h.key_mark from billing.charging_hold h order by h.hold_id desc limit 1),
                         j.statement_id, j.attempts + 1),
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
        select billing.plan_later(array_agg(o.statement_id) filter (where o.outcome = 'declined'),
                                  'no payment method was stored'),
               (select billing.plan_later(array_agg(j.statement_id), 'the gateway has a payment that isn''t recorded')
                from judged j where j.refused in ('unaccounted_payment', 'lost_payment'))
        from opened o
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
