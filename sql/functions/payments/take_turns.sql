-- Reserves `p_turns` turns at the gateway, `p_rate` a second over all processes; returns the seconds until the first
-- one.
create or replace function billing.take_turns(p_gateway text, p_turns integer, p_rate double precision)
returns double precision
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_span interval;
    v_next timestamptz;
begin
    -- Turns for longer than some minutes would only keep the other processes waiting.
    if (p_turns >= 1 and p_rate > 0 and p_rate <= 1e6 and p_turns / p_rate <= 600) is distinct from true then
        raise exception '% turns at % a second can''t be reserved', p_turns, p_rate using errcode = 'EV004';
    end if;
    v_span := p_turns / p_rate * interval '1 second';
    insert into billing.gateway_pace (gateway, next_turn) values (p_gateway, clock_timestamp()) on conflict do nothing;
    update billing.gateway_pace
    -- A turn further ahead was reserved before the server's clock was set back.
    set next_turn = greatest(least(next_turn, clock_timestamp() + greatest(interval '5 minutes', 100 * v_span)),
                             clock_timestamp()) + v_span
    where gateway = p_gateway returning next_turn into v_next;
    return greatest(0, extract(epoch from v_next - v_span - clock_timestamp()));
end
$$;
