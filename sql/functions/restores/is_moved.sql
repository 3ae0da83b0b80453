-- Whether two identities of a server differ in a part that both have.
create or replace function billing.is_moved(p_before text[], p_now text[]) returns boolean
language sql immutable
return exists (select from unnest(p_before, p_now) as part (before, now) where before <> now);
