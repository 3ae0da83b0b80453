-- Fails with EV001 if a newer attempt or run holds `scope`, or nobody has raised its fence; otherwise keeps others out
-- until the transaction ends.
create or replace function billing.hold_fence(p_scope text, p_epoch bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_epoch bigint;
begin
    select epoch into v_epoch from billing.fence where scope = p_scope for update;
    if v_epoch is null or p_epoch is null then
        raise exception 'nobody holds %: its fence was never raised, or no epoch is given', p_scope
            using errcode = 'EV001';
    elsif v_epoch <> p_epoch then
        raise exception 'a newer try holds %: epoch % is not %', p_scope, p_epoch, v_epoch using errcode = 'EV001';
    end if;
end
$$;
