-- The number of rows of a table in staging and two sums over them, of a hash of the whole row and of a hash of that;
-- null if there is no such table. An EXECUTE, because a query of a function's own text isn't run on several cores.
create or replace function billing.table_sums(p_table text) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_sums text;
begin
    if to_regclass('staging.' || quote_ident(p_table)) is null then
        return null;
    end if;
    execute format(
        'select concat_ws('' '', count(*), sum(h), sum(hashint8extended(h, 1)))
         from (select hash_record_extended(t, 1) as h from staging.%I t offset ''0'') t', p_table) into v_sums;
    return v_sums;
end
$$;
