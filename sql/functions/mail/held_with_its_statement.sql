-- Why a correction, or a notice, of a statement is held whose own mail is held: a recipient without the statement
-- could make nothing of it. Null if it isn't.
create or replace function billing.held_with_its_statement(p_statement_id text) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp
return (
    select 'its statement was not sent either: ' || m.last_error from billing.mail m
    where m.statement_id = p_statement_id and m.kind = 'connector_statement' and m.occasion = 'issue'
      and m.state = 'held');
