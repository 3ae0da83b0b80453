-- Raises the epoch of `scope` and returns it; the caller must still hold it when it writes.
create or replace function billing.raise_fence(p_scope text) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    insert into billing.fence as f (scope, epoch) values (p_scope, 1)
    on conflict (scope) do update set epoch = f.epoch + 1
    returning epoch;
$$;
