-- Takes the plans of statements, so that until the transaction ends nobody else changes them: whoever makes something
-- due again meanwhile comes before or after, never in between. A statement without a plan gets one. Parameter:
-- statements.
insert into billing.payment_plan as p (statement_id, reason_id, detail)
select distinct s.statement_id, 'TO-BE-PLANNED', 'not planned yet' from unnest(%(statements)s::text[]) s (statement_id)
order by 1
on conflict (statement_id) do update set detail = excluded.detail where false;
