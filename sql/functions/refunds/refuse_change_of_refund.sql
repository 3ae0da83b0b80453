-- What was asked for never changes. The outcome of a refund is settled once; but one that was settled as not made may
-- turn out to be made.
create or replace function billing.refuse_change_of_refund() returns trigger language plpgsql as $$
begin
    if tg_op <> 'DELETE' and (old.outcome in ('pending', 'unknown') or old.outcome = 'refused' and new.outcome = 'succeeded')
       and (old.refund_id, old.request_id, old.attempt_id, old.statement_id, old.gateway_payment_id, old.amount_minor,
            old.currency, old.minor_unit, old.is_due_again, old.idempotency_key, old.approves, old.actor, old.reason,
            old.requested_at)
           is not distinct from
           (new.refund_id, new.request_id, new.attempt_id, new.statement_id, new.gateway_payment_id, new.amount_minor,
            new.currency, new.minor_unit, new.is_due_again, new.idempotency_key, new.approves, new.actor, new.reason,
            new.requested_at) then
        return new;
    end if;
    raise exception '% of refund % refused: what was asked for never changes, nor does a settled outcome', tg_op,
        old.refund_id using errcode = 'EV002';
end
$$;
