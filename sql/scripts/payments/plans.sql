-- Stores the plans of statements after lock_plans.sql. An equal plan is left alone, and so is the plan of a statement
-- on which something has become due meanwhile. The columns are arrays of equal length.
insert into billing.payment_plan as p (statement_id, planned_at, reason_id, detail)
select * from unnest(%(statements)s::text[], %(planned)s::timestamptz[], %(reasons)s::text[], %(details)s::text[])
on conflict (statement_id) do update
set planned_at = excluded.planned_at, reason_id = excluded.reason_id, detail = excluded.detail, decided_at = now()
where (p.planned_at, p.reason_id, p.detail) is distinct from (excluded.planned_at, excluded.reason_id, excluded.detail)
  and (excluded.reason_id <> 'PAID' or billing.balance_minor(excluded.statement_id) <= 0);
