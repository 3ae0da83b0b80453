-- Records why an open run stopped; any other stays as it is.
create or replace function billing.fail_run(p_run_id bigint, p_failure text) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update billing.run set state = 'failed', failure = p_failure
    where run_id = p_run_id and state in ('open', 'failed')
$$;
