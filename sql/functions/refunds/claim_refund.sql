-- Gives a refund out to be sent, unless it is settled, or was given out less than p_lease ago to somebody else. Returns
-- its row's facts and how to go on: `send`; `ask`, as the gateway forgets a key after 24 hours; `busy`; or the outcome.
create or replace function billing.claim_refund(
    p_refund_id bigint, p_lease interval, out does text, out statement_id text, out gateway_payment_id text,
    out amount_minor bigint, out currency text, out idempotency_key text, out message text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_refund billing.refund_attempt;
begin
    perform billing.require_no_hold();
    v_refund := billing.lock_refund(p_refund_id);
    does := case when v_refund.outcome in ('succeeded', 'refused') then v_refund.outcome
                 when v_refund.claimed_at > clock_timestamp() - p_lease then 'busy'
                 when v_refund.requested_at < clock_timestamp() - interval '23 hours' then 'ask'
                 else 'send' end;
    if does = 'send' then
        update billing.refund_attempt r set claimed_at = clock_timestamp() where r.refund_id = p_refund_id;
    end if;
    statement_id := v_refund.statement_id;
    gateway_payment_id := v_refund.gateway_payment_id;
    amount_minor := v_refund.amount_minor;
    currency := v_refund.currency;
    idempotency_key := v_refund.idempotency_key;
    message := v_refund.message;
end
$$;
