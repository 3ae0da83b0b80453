-- Keeps what was planned for statements; a plan that says the same as before is left alone. Parameters: parallel arrays.
insert into billing.payment_plan as p (statement_id, planned_at, reason_id, detail)
select * from unnest(%(statements)s::text[], %(planned)s::timestamptz[], %(reasons)s::text[], %(details)s::text[])
on conflict (statement_id) do update
set planned_at = excluded.planned_at, reason_id = excluded.reason_id, detail = excluded.detail, decided_at = now()
where (p.planned_at, p.reason_id, p.detail) is distinct from (excluded.planned_at, excluded.reason_id, excluded.detail);
