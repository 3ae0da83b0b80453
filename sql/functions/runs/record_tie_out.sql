-- Counts the figures of a run's period that must agree, and stores them for finance.tie_out; returns them. `p_part`:
-- connector_statements, account_statements or payments. A check with the same figures as before stays as it is, with
-- its run.
create or replace function billing.record_tie_out(p_run_id bigint, p_part text)
returns table (check_id text, left_label text, left_value numeric, right_label text, right_value numeric)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    return query execute format($q$
        with counted as materialized (
            select * from billing.%I($1)
        ), stored as (
            insert into billing.tie_out as t (
                period, run_id, check_id, left_label, left_value, right_label, right_value)
            select r.period, r.run_id, c.* from counted c cross join billing.run r where r.run_id = $1
            on conflict (period, check_id) do update
            set left_label = excluded.left_label, left_value = excluded.left_value,
                right_label = excluded.right_label, right_value = excluded.right_value, run_id = excluded.run_id
            where (t.left_value, t.right_value) is distinct from (excluded.left_value, excluded.right_value)
        )
        select * from counted order by check_id $q$, 'tie_out_' || p_part) using p_run_id;
end
$$;
