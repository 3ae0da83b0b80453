-- Marks statements as to be planned, unless they are already. In the order of their ids, as the planner takes them.
create or replace function billing.plan_later(p_statements text[], p_detail text) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    insert into billing.payment_plan as p (statement_id, reason_id, detail)
    select distinct s.statement_id, 'TO-BE-PLANNED', p_detail from unnest(p_statements) as s (statement_id) order by 1
    on conflict (statement_id) do update
    set planned_at = null, reason_id = excluded.reason_id, detail = excluded.detail, decided_at = now()
    where p.reason_id = 'PAID'
$$;
