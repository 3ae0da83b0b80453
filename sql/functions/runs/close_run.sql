-- Marks a run as closed, once.
create or replace function billing.close_run(p_run_id bigint) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update billing.run set closed_at = coalesce(closed_at, now()) where run_id = p_run_id
$$;
