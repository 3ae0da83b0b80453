-- The outcome of an attempt is settled once, and what was asked for never changes.
create or replace function billing.refuse_change_of_attempt() returns trigger language plpgsql as $$
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
