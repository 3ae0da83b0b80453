-- A refund on record, with its statement locked first. Refuses with EV004 one that isn't there: it was asked for before
-- a backup was restored, and the gateway may have made it.
create or replace function billing.lock_refund(p_refund_id bigint) returns billing.refund_attempt
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_refund billing.refund_attempt;
begin
    perform billing.lock_statements(array(select r.statement_id from billing.refund_attempt r
                                          where r.refund_id = p_refund_id));
    select * into v_refund from billing.refund_attempt r where r.refund_id = p_refund_id;
    if v_refund.refund_id is null then
        raise exception 'refund % isn''t on record: the warehouse was restored since it was asked for', p_refund_id
            using errcode = 'EV004',
                  hint = 'run payment_reconciliation; what the gateway has given back is a break then, to be acknowledged';
    end if;
    return v_refund;
end
$$;
