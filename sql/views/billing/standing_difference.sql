-- Standings that differ from the ledger: there should be none. The owner corrects one with billing.refresh_standing,
-- once the cause is known.
create or replace view billing.standing_difference as
select s.statement_id, s.period::text as period, s.currency, s.minor_unit, r.balance_minor,
       l.balance_minor as listed_balance_minor,
       billing.status_of(r.balance_minor, r.paid_minor, r.last_way, h.has_failed)::text as status,
       l.status::text as listed_status
from billing.statement s
join billing.receivable r on r.statement_id = s.statement_id
cross join lateral (
    select exists (select from billing.payment_attempt a
                   where a.statement_id = s.statement_id and a.outcome = 'declined') as has_failed) h
left join billing.standing l on l.statement_id = s.statement_id
where s.kind = 'connector'
  and ((r.balance_minor, r.paid_minor, r.last_way, h.has_failed, s.total_minor, s.ac_count + s.dc_count, s.currency)
       is distinct from (l.balance_minor, l.paid_minor, l.last_way, l.has_failed, l.total_minor, l.connectors,
                         l.currency)
    or billing.status_of(r.balance_minor, r.paid_minor, r.last_way, h.has_failed) is distinct from l.status);
