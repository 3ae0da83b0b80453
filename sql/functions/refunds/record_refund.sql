-- Records what became of a refund; a success is booked in the same transaction, as a return of its payment. p_claim:
-- the claim on which it was concluded that the gateway has no such refund; it counts only while that is the last one.
-- Null: the gateway itself has answered. Returns the outcome that is on record then; `late` for a success that comes
-- after it was settled otherwise: nothing is booked here, see book_late_refund.
create or replace function billing.record_refund(
    p_refund_id bigint, p_outcome text, p_gateway_refund_id text, p_message text, p_claim timestamptz default null)
returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_refund billing.refund_attempt;
    v_return bigint;
begin
    if (p_outcome in ('succeeded', 'refused', 'unknown')) is distinct from true then
        raise exception 'a refund can''t end as %', p_outcome using errcode = 'EV004';
    end if;
    v_refund := billing.lock_refund(p_refund_id);
    if v_refund.outcome in ('succeeded', 'refused') then
        return case when p_outcome = 'succeeded' and v_refund.outcome = 'refused' then 'late' else v_refund.outcome end;
    end if;
    if p_claim is not null and p_claim is distinct from coalesce(v_refund.claimed_at, 'epoch') then
        return v_refund.outcome;
    end if;
    if p_outcome = 'succeeded' then
        v_return := billing.book_refund(v_refund);
    end if;
    update billing.refund_attempt r
    set outcome = p_outcome, gateway_refund_id = coalesce(p_gateway_refund_id, r.gateway_refund_id),
        message = left(p_message, 1000), return_id = v_return,
        settled_at = case when p_outcome <> 'unknown' then clock_timestamp() end
    where r.refund_id = p_refund_id;
    return p_outcome;
end
$$;
