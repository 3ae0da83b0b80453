-- What accounts are sorted by: their names without regard to case, or their ids where they have none. Cut, so that no
-- name is too long for an index.
create or replace function billing.account_key(p_account_name text, p_account_id text) returns text
language sql immutable parallel safe
return lower(left(coalesce(nullif(p_account_name, ''), p_account_id), 100));
