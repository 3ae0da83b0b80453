-- Records that a newer run took over before this one published; any but an open one stays as it is.
create or replace function billing.supersede_run(p_run_id bigint) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update billing.run set state = 'superseded' where run_id = p_run_id and state = 'open'
$$;
