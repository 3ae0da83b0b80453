-- Claims up to `p_most` of a batch's attempts that wait to be sent, or whose sender was cut off before it recorded an
-- answer, and marks them as sent: from the commit on, only the gateway knows their outcome. Attempts claimed less
-- than `p_lease` ago belong to another sender. Attempts first sent 23 hours ago or more are left to reconciliation:
-- the gateway forgets an idempotency key after 24 hours. Refused while charging is on hold.
create or replace function billing.claim_attempts(p_batch text, p_most integer, p_lease interval)
returns table (attempt_id bigint, statement_id text, idempotency_key text, amount_minor bigint, currency text,
               customer text, payment_method text, attempt_no integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    perform billing.require_no_hold();
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
