-- Claims up to `p_most` of a batch's attempts that wait to be sent, or whose sender was cut off before it recorded an
-- answer, and marks them as sent: from the commit on, only the gateway knows their outcome. Attempts claimed less
-- than `p_lease` ago belong to another sender. Attempts first sent 23 hours ago or more are left to reconciliation:
-- the gateway forgets an idempotency key after 24 hours. An attempt was opened some time ago, so the statement is
-- looked at again under its lock: if less is due by now, or the gateway has collected a payment for it that nothing
-- accounts for, the attempt isn't sent. Never sent it is declined; otherwise, or if the payment is its own, its outcome
-- is unknown until the gateway is asked. Refused while charging is on hold.
create or replace function billing.claim_attempts(p_batch text, p_most integer, p_lease interval)
returns table (attempt_id bigint, statement_id text, idempotency_key text, amount_minor bigint, currency text,
               customer text, payment_method text, attempt_no integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_attempts bigint[];
    v_statements text[];
begin
    perform billing.require_no_hold();
    select array_agg(free.attempt_id), array_agg(free.statement_id) into v_attempts, v_statements
    from (select p.attempt_id, p.statement_id from billing.payment_attempt p
          where p.batch = p_batch and p.outcome = 'pending'
            and (p.claimed_at is null or p.claimed_at < clock_timestamp() - p_lease)
            and (p.sent_at is null or p.sent_at > clock_timestamp() - interval '23 hours')
          order by p.attempt_id limit p_most) free;
    if v_attempts is null then
        return;
    end if;
    perform billing.lock_statements(v_statements);
    return query
    with free as (
        -- Read again: another sender may have come first.
        select p.attempt_id,
               case when p.attempt_id = any(u.attempts) then 'the gateway has a payment for this attempt already'
                    when u.payments is not null
                    then 'the gateway has collected ' || u.payments || ' for the statement, which isn''t recorded'
                    when coalesce(billing.balance_minor(p.statement_id), 0) < p.amount_minor
                    then 'less is due than when the charge was planned'
               end as why_not,
               p.sent_at is null and (p.attempt_id = any(u.attempts)) is distinct from true as is_unsent
        from billing.payment_attempt p
        left join (
            select n.statement_id, array_agg(n.attempt_id) as attempts,
                   string_agg(n.gateway_payment_id, ', ') as payments
            from billing.unaccounted_payments(v_statements) n group by n.statement_id) u
            on u.statement_id = p.statement_id
        where p.attempt_id = any(v_attempts) and p.outcome = 'pending'
          and (p.claimed_at is null or p.claimed_at < clock_timestamp() - p_lease)
          and (p.sent_at is null or p.sent_at > clock_timestamp() - interval '23 hours')
    ), stopped as (
        update billing.payment_attempt p
        set outcome = case when f.is_unsent then 'declined' else 'unknown' end,
            decline_code = case when f.is_unsent then 'not_charged' end,
            decline_class = case when f.is_unsent then 'soft' end,
            settled_at = case when f.is_unsent then clock_timestamp() end, message = f.why_not
        from free f where p.attempt_id = f.attempt_id and f.why_not is not null
        returning p.statement_id, p.outcome
    ), planned as (
        select billing.plan_later(array_agg(s.statement_id), 'the charge wasn''t sent')
        from stopped s where s.outcome = 'declined'
    ), claimed as (
        update billing.payment_attempt p
        -- The same instant for both at the first claim: record_outcomes tells by it whether there was another.
        set sent_at = coalesce(p.sent_at, n.at), claimed_at = n.at
        from free f cross join (select clock_timestamp() as at) n
        where p.attempt_id = f.attempt_id and f.why_not is null
        returning p.*
    )
    select c.attempt_id, c.statement_id, c.idempotency_key, c.amount_minor, c.currency, c.customer, c.payment_method,
           c.attempt_no
    from claimed c cross join planned order by c.attempt_id;
end
$$;
