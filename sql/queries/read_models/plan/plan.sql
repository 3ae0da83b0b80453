-- The plan of a month to look at: the one that may still be issued, else the newest that was, if possible with
-- statements.
select p.plan_id, p.run_id,
       case when issued_at is not null then 'issued' when superseded_at is not null then 'superseded' else 'planned' end
           as state,
       r.state as run_state, plan_hash, compared_with, not_compared, statements, connectors, on_hold, first_billed,
       made_at, canary_issued_at, issued_at, superseded_at, superseded_by_run_id, count(*) over () as plans
from billing.plan p
join billing.run r using (run_id)
where p.period = %(period)s
order by case when issued_at is null and superseded_at is null then 0 when issued_at is null then 3
              when statements > 0 then 1 else 2 end, plan_id desc
limit 1;
