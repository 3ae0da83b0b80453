-- The first line of a message, at most 300 characters.
create or replace function billing.first_line(p_message text) returns text
language sql immutable set search_path = pg_catalog, pg_temp
return left(split_part(p_message, e'\n', 1), 300);
