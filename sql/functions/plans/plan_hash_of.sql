-- The hash of what a run has staged at this moment: the decision on every connector, every draft, every account
-- without a statement. Each table counts as its rows and two sums of their hashes, so the order doesn't matter and all
-- cores add up. Null if the run has no staging tables.
create or replace function billing.plan_hash_of(p_run_id bigint) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_table text;
    v_sums text;
    v_content text;
begin
    select concat_ws(' ', period, deliver, account_ids) into v_content from billing.run where run_id = p_run_id;
    foreach v_table in array array['', '_statement', '_unbilled'] loop
        v_sums := billing.table_sums('run_' || p_run_id || v_table);
        if v_sums is null then
            return null;
        end if;
        v_content := v_content || E'\n' || v_sums;
    end loop;
    return encode(sha256(convert_to(v_content, 'UTF8')), 'hex');
end
$$;
