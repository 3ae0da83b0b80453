-- Books a refund that was settled as not made and that the gateway has made after all. p_refunded_minor: all that the
-- gateway has given back of the payment by refunds, asked after this one was found there. Returns whether it is booked
-- now. It isn't, and is left to a person as a break of the comparison, if what is acknowledged accounts for it already,
-- while another refund of the statement is under way, and if the statement's credit has gone elsewhere since: a debt
-- that nobody said is due again would be collected.
create or replace function billing.book_late_refund(
    p_refund_id bigint, p_gateway_refund_id text, p_refunded_minor bigint)
returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_refund billing.refund_attempt;
    v_booked bigint;
    v_return bigint;
begin
    v_refund := billing.lock_refund(p_refund_id);
    if v_refund.outcome <> 'refused' then
        return v_refund.outcome = 'succeeded';
    end if;
    select coalesce(sum(r.amount_minor), 0) into v_booked from billing.payment_return r
    where r.attempt_id = v_refund.attempt_id;
    if (v_booked + v_refund.amount_minor <= p_refunded_minor) is distinct from true
       or exists (select from billing.refund_attempt r
                  where r.statement_id = v_refund.statement_id and r.outcome in ('pending', 'unknown'))
       or exists (select from billing.receivable r
                  where r.statement_id = v_refund.statement_id and (
                      r.last_way = 'write_off'
                      or not v_refund.is_due_again and r.balance_minor + v_refund.amount_minor > 0)) then
        return false;
    end if;
    v_return := billing.book_refund(v_refund);
    update billing.refund_attempt r
    set outcome = 'succeeded', gateway_refund_id = p_gateway_refund_id, return_id = v_return,
        message = 'made after it had been settled as not made', settled_at = clock_timestamp()
    where r.refund_id = p_refund_id;
    return true;
end
$$;
