-- Releases what `p_sender` reserved and did not begin; returns how many.
create or replace function billing.release_mail(p_sender text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_released integer;
begin
    update billing.mail set sender = null, reserved_until = null where state = 'pending' and sender = p_sender;
    get diagnostics v_released = row_count;
    return v_released;
end
$$;
