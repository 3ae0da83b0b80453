-- The name of the table of standings that belongs to a table of statements.
create or replace function billing.standing_beside(p_statement text) returns text
language sql immutable security definer set search_path = pg_catalog, pg_temp
return case when p_statement like 'statement%' then 'standing' || substr(p_statement, 10)
            else regexp_replace(p_statement, '_issue$', '_standing') end;
