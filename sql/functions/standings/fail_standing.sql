-- Refreshes the standings of statements of which an attempt was declined.
create or replace function billing.fail_standing() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_failed text[] := array(select distinct statement_id from tried where outcome = 'declined' order by 1);
begin
    if cardinality(v_failed) > 0 then
        perform billing.refresh_standing(v_failed);
    end if;
    return null;
end
$$;
