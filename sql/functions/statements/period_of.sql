-- The period in the id of a statement of any kind.
create or replace function billing.period_of(p_statement_id text) returns text
language sql immutable parallel safe
return substr(p_statement_id, 3, 4) || '-' || substr(p_statement_id, 7, 2);
