-- Looks at payments of this installation that the gateway lists, and puts charging on hold if one shows that this
-- warehouse was restored: it names an attempt that isn't recorded as sent here, though each is recorded before it is
-- sent. Without payments only the server is looked at. The arrays are parallel: payments, and the attempts and
-- statements that they name. Returns the open hold, new or not; null if there is none.
create or replace function billing.note_payments(p_payments text[], p_attempts bigint[], p_statements text[])
returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_now text[] := billing.server_identity();
    v_before text[];
    v_hold bigint;
    v_sign text;
    v_detail text;
begin
    if (cardinality(p_attempts), cardinality(p_statements))
           is distinct from (cardinality(p_payments), cardinality(p_payments)) then
        raise exception 'payments are noted with one attempt and one statement each' using errcode = 'EV004';
    end if;
    select h.hold_id into v_hold from billing.charging_hold h where h.lifted_at is null;
    if v_hold is not null then
        return v_hold;
    end if;
    select identity into v_before from billing.charging_server;
    if billing.is_moved(v_before, v_now) then
        v_sign := 'server';
        v_detail := format('the warehouse was moved or restored: its server, timeline and database were %s and are %s',
                           array_to_string(v_before, '/', '-'), array_to_string(v_now, '/', '-'));
    else
        select 'gateway',
               format('the gateway has payments that aren''t recorded here, so the warehouse was restored from a backup: '
                      'payment %s names attempt %s%s', min(p.payment), (array_agg(p.attempt order by p.payment))[1],
                      ' of statement ' || (array_agg(p.statement order by p.payment))[1])
        into v_sign, v_detail
        from unnest(p_payments, p_attempts, p_statements) as p (payment, attempt, statement)
        where p.attempt is not null and not billing.is_recorded(p.payment, p.attempt, p.statement)
          and not exists (select from billing.lost_payment l where l.gateway_payment_id = p.payment)
        having count(*) > 0;
    end if;
    if v_sign is null and v_before is not null then
        return null;
    end if;
    -- Waits for transactions that open or claim attempts, so that none does so after this.
    select identity into v_before from billing.charging_server for update;
    if v_sign is null then
        update billing.charging_server set identity = v_now where identity is null;
        return null;
    end if;
    select h.hold_id into v_hold from billing.charging_hold h where h.lifted_at is null;
    if v_hold is null then
        insert into billing.charging_hold (sign, detail) values (v_sign, v_detail) returning hold_id into v_hold;
        insert into billing.audit_event (actor, action, subject_id, reason)
        values (session_user, 'hold_charging', 'hold ' || v_hold, v_detail);
    end if;
    return v_hold;
end
$$;
