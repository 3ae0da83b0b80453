-- Locks the plans of statements until the transaction ends, so that nothing becomes due between reading and planning. A
-- statement without a plan gets one.
insert into billing.payment_plan as p (statement_id, reason_id, detail)
select distinct s.statement_id, 'TO-BE-PLANNED', 'not planned yet' from unnest(%(statements)s::text[]) s (statement_id)
order by 1
on conflict (statement_id) do update set detail = excluded.detail where false;
