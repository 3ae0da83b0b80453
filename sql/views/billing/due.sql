-- Each connector statement on which something is due, with the reason: the only place that picks it. A charge without
-- an outcome comes first, because nothing is tried beside it. While charging is on hold, what would be tried waits for
-- that. Else it is the reason of the plan of retries; without a plan nothing was declined yet. Written-off statements
-- have nothing due, whatever their status.
create or replace view billing.due as
select s.statement_id, s.account_key, s.currency, s.minor_unit, s.balance_minor, s.paid_minor, p.is_planned,
       o.is_open, r.reason_id, case r.reason_id when p.reason_id then p.planned_at end as next_attempt_at
from billing.standing s
left join lateral (
    select n.reason_id, n.planned_at, true as is_planned from billing.payment_plan n
    where n.statement_id = s.statement_id and n.reason_id <> 'PAID') p on true
left join lateral (
    select a.outcome, true as is_open from billing.payment_attempt a
    where a.statement_id = s.statement_id and a.outcome in ('pending', 'unknown')) o on true
cross join (
    select exists (select from billing.charging_hold c where c.lifted_at is null) as is_on_hold) h
cross join lateral (
    select coalesce(p.reason_id, case when s.has_failed then 'TO-BE-PLANNED' else 'FIRST-TRY' end) as reason_id) k
cross join lateral (
    select case
        when k.reason_id = 'UNACCOUNTED-PAYMENT' then k.reason_id
        when o.outcome = 'pending' then 'UNDER-WAY'
        when o.outcome = 'unknown' then 'OUTCOME-UNKNOWN'
        when h.is_on_hold and k.reason_id in ('TO-BE-PLANNED', 'FIRST-TRY', 'RETRY', 'METHOD-CHANGED', 'CAPPED')
            then 'ON-HOLD'
        when p.is_planned and k.reason_id in ('TO-BE-PLANNED', 'FIRST-TRY') and (
            select b.outcome = 'refused' from billing.payment_attempt b
            where b.statement_id = s.statement_id order by b.attempt_no desc limit 1) then 'NOT-ACCEPTED'
        else k.reason_id end as reason_id) r
where s.status in ('Issued', 'Billing failure', 'Partly paid') and s.balance_minor > 0;
