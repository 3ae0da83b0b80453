-- Fails with EV004 if a plan of the run may still be issued: what it has staged doesn't change any more.
create or replace function billing.require_unplanned(p_run_id bigint) returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from billing.plan where run_id = p_run_id and superseded_at is null) then
        raise exception 'run % is planned, so what it has staged doesn''t change any more', p_run_id
            using errcode = 'EV004', hint = 'clear its task plan to plan it again';
    end if;
end
$$;
