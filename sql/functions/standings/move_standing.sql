-- Refreshes the standings of statements whose balance a transfer moves.
create or replace function billing.move_standing() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    -- The postings of a statement's issue are in its standing from the start.
    v_moved text[] := array(select distinct statement_id from moved where kind not in ('issue', 'tax') order by 1);
begin
    if cardinality(v_moved) > 0 then
        perform billing.refresh_standing(v_moved);
    end if;
    return null;
end
$$;
