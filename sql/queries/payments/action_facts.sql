-- What decides which actions a statement allows, as the actions would find it now, for the pages that offer them.
select s.statement_id, s.kind, s.currency,
       case s.kind when 'connector' then coalesce(billing.balance_minor(s.statement_id), 0) end as balance_minor,
       s.minor_unit,
       exists (select from billing.payment_attempt a
               where a.statement_id = s.statement_id and a.outcome in ('pending', 'unknown')) as is_charge_under_way,
       (select count(*) from billing.paid_outside p
        where p.statement_id = s.statement_id and not exists (
            select from billing.paid_outside_reversal r where r.paid_outside_id = p.paid_outside_id))
           as standing_outside_payments,
       (select min(u.gateway_payment_id) from billing.unaccounted_payments(array[s.statement_id]) u)
           as unaccounted_payment,
       (select count(*) from billing.returned_payments(array[s.statement_id])) as returned_payments,
       coalesce((select sum(case j.kind when 'write_off' then 1 else -1 end) from billing.adjustment j
                 where j.statement_id = s.statement_id and j.kind in ('write_off', 'undo_write_off')), 0)::integer
           as written_off,
       (select count(*) from billing.payment_attempt a
        where a.statement_id = s.statement_id and a.outcome = 'succeeded') as gateway_payments
from billing.statement s where s.statement_id = any(%(statements)s);
