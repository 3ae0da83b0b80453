-- Keeps successes that the gateway has answered and that can't be booked: the attempt is settled, or the ledger refuses
-- the payment. Each becomes a payment of the gateway's list, so that nothing more is charged for its statement, and an
-- open break. The next list has the payment as the gateway has it, and the comparison closes the break once it is put
-- right. Returns the kind of break for each attempt; a payment that is accounted for by now is none.
create or replace function billing.raise_unbooked(p_attempts bigint[], p_gateway_ids text[])
returns table (attempt_id bigint, statement_id text, kind text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    insert into billing.gateway_payment as g (
        gateway_payment_id, outcome, amount_minor, currency, created_at, customer, attempt_id, statement_id, seen_at)
    select u.gateway_id, 'succeeded', a.amount_minor, a.currency, coalesce(a.sent_at, a.requested_at), a.customer,
           a.attempt_id, a.statement_id, clock_timestamp()
    from unnest(p_attempts, p_gateway_ids) as u (attempt_id, gateway_id)
    join billing.payment_attempt a on a.attempt_id = u.attempt_id
    order by u.gateway_id
    on conflict (gateway_payment_id) do update set outcome = 'succeeded', gone_at = null, seen_at = excluded.seen_at
    where g.outcome <> 'succeeded' or g.gone_at is not null;
    return query
    with unbooked as (
        select a.attempt_id, a.statement_id, a.minor_unit, a.outcome, l.gateway_payment_id, l.currency,
               l.recorded_minor, l.kept_minor,
               case a.outcome when 'succeeded' then 'duplicate' else 'charged_not_recorded' end as kind
        from unnest(p_attempts, p_gateway_ids) as u (attempt_id, gateway_id)
        join billing.payment_attempt a on a.attempt_id = u.attempt_id
        join billing.listed_payment l on l.gateway_payment_id = u.gateway_id
        where l.kept_minor > l.recorded_minor
    ), raised as (
        insert into billing.payment_break as b (
            kind, gateway_payment_id, attempt_id, statement_id, currency, recorded_minor, gateway_minor, detail)
        select u.kind, u.gateway_payment_id, u.attempt_id, u.statement_id, u.currency, u.recorded_minor, u.kept_minor,
               format('%s: %s for %s: %s %s recorded, %s %s at the gateway; its success was answered when attempt %s '
                      'was %s; nothing more is charged until it is put right, see docs/runbooks/payments.md',
                      u.kind, u.gateway_payment_id, u.statement_id,
                      round(u.recorded_minor / power(10::numeric, u.minor_unit), u.minor_unit), u.currency,
                      round(u.kept_minor / power(10::numeric, u.minor_unit), u.minor_unit), u.currency, u.attempt_id,
                      u.outcome)
        from unbooked u
        order by u.kind, u.gateway_payment_id
        on conflict (kind, gateway_payment_id) do update
        set recorded_minor = excluded.recorded_minor, gateway_minor = excluded.gateway_minor,
            detail = excluded.detail, last_seen_at = excluded.last_seen_at, gone_at = null
        returning 1
    )
    select u.attempt_id, u.statement_id, u.kind
    from unbooked u cross join (select count(*) from raised) r order by u.attempt_id;
end
$$;
