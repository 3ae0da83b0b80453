-- Adds what the validation of a run without an outcome has found, an array of objects.
create or replace function billing.record_findings(p_run_id bigint, p_findings jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform billing.lock_open_run(p_run_id);
    insert into billing.validation_result (
        run_id, suite, shard, expectation, says, severity, success, observed, unexpected_count, sample)
    select p_run_id, f.suite, f.shard, f.expectation, f.says, f.severity, f.success, f.observed, f.unexpected_count,
           f.sample
    from jsonb_to_recordset(p_findings) f (
        suite text, shard integer, expectation text, says text, severity text, success boolean, observed text,
        unexpected_count bigint, sample jsonb);
end
$$;
