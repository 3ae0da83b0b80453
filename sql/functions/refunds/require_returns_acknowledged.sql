-- Returns if all that the gateway gave back of the statement's payments is acknowledged; refuses with EV004 otherwise.
create or replace function billing.require_returns_acknowledged(p_statement_id text) returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_payment text;
begin
    select min(r.gateway_payment_id) into v_payment from billing.returned_payments(array[p_statement_id]) r;
    if v_payment is not null then
        raise exception 'the gateway has given back payment % of %, which isn''t acknowledged', v_payment, p_statement_id
            using errcode = 'EV004', hint = 'acknowledge that refund first';
    end if;
end
$$;
