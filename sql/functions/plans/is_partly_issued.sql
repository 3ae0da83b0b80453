-- True if the canary of a month was issued and the rest never was: a person decides on what is left of it.
create or replace function billing.is_partly_issued(p_period text) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select coalesce(bool_or(canary_issued_at is not null) and not bool_or(issued_at is not null), false)
    from billing.plan where period = p_period
$$;
