-- Returns if neither a charge nor a refund of the statement is under way; refuses with EV004 otherwise. The caller has
-- locked the statement.
create or replace function billing.require_nothing_under_way(p_statement_id text) returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_open bigint;
begin
    select a.attempt_id into v_open from billing.payment_attempt a
    where a.statement_id = p_statement_id and a.outcome in ('pending', 'unknown');
    if v_open is not null then
        raise exception 'a charge of % is under way (attempt %), and its outcome isn''t known yet', p_statement_id, v_open
            using errcode = 'EV004', hint = 'wait for it; payment_reconciliation settles what stays unknown';
    end if;
    select r.refund_id into v_open from billing.refund_attempt r
    where r.statement_id = p_statement_id and r.outcome in ('pending', 'unknown');
    if v_open is not null then
        raise exception 'a refund on % is under way (refund %), and its outcome isn''t known yet', p_statement_id, v_open
            using errcode = 'EV004', hint = 'wait for it; payment_reconciliation settles what stays unknown';
    end if;
end
$$;
