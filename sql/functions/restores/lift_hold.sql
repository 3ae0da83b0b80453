-- Lifts a hold, once all payments since `p_since` were listed at `p_listed_at` or later, and compared. What names an
-- attempt that was lost is kept as lost, and attempts are numbered on after the largest that the gateway names: numbers
-- that were given before the restore aren't given again. Returns how many payments were lost.
create or replace function billing.lift_hold(p_hold bigint, p_since timestamptz, p_listed_at timestamptz)
returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_sequence text := pg_get_serial_sequence('billing.payment_attempt', 'attempt_id');
    v_largest bigint;
    v_lost bigint;
begin
    perform from billing.charging_server for update;
    perform from billing.charging_hold h
    where h.hold_id = p_hold and h.lifted_at is null and p_since <= billing.full_comparison_since()
      and p_listed_at >= h.held_since;
    if not found then
        raise exception 'hold % can''t be lifted: it is lifted already, or not all payments were compared since', p_hold
            using errcode = 'EV004', hint = 'run payment_reconciliation again';
    end if;
    insert into billing.lost_payment (gateway_payment_id, hold_id)
    select g.gateway_payment_id, p_hold from billing.gateway_payment g
    where g.attempt_id is not null and not billing.is_recorded(g.gateway_payment_id, g.attempt_id, g.statement_id)
    on conflict do nothing;
    get diagnostics v_lost = row_count;
    -- A number changed at the gateway by hand mustn't use up all others.
    select max(g.attempt_id) into v_largest from billing.gateway_payment g
    where g.attempt_id < coalesce((select max(a.attempt_id) from billing.payment_attempt a), 0) + 1000000000;
    if v_largest >= nextval(v_sequence) then
        perform setval(v_sequence, v_largest);
    end if;
    update billing.charging_server set identity = billing.server_identity();
    update billing.charging_hold set lifted_at = clock_timestamp() where hold_id = p_hold;
    insert into billing.audit_event (actor, action, subject_id, reason)
    values (session_user, 'lift_hold', 'hold ' || p_hold,
            format('all payments since %s UTC compared, %s of them lost',
                   to_char(p_since at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), v_lost));
    return v_lost;
end
$$;
