-- Connector statements that may be collected, with what is due on each, and a payment that the gateway has collected
-- for it and nothing accounts for, if there is one; and whether it is written off. Null means any statement, account,
-- period or occasion; with an occasion, only statements not tried on it yet (what the gateway refused for a reason of
-- ours isn't tried). failed:
-- only statements whose collection failed and that weren't paid since, and those of `period` that were never tried.
with debt as materialized (
    select s.statement_id, s.account_id, s.financial_admin_id, s.currency, s.minor_unit,
           billing.balance_minor(s.statement_id) as balance_minor
    from billing.statement s
    where s.kind = 'connector'
      and (%(statements)s::text[] is null or s.statement_id = any(%(statements)s))
      and (%(accounts)s::text[] is null or s.account_id = any(%(accounts)s))
      and (%(failed)s or %(period)s::text is null or s.period = %(period)s)
      and (%(occasion)s::text is null or not exists (
          select from billing.payment_attempt a
          where a.statement_id = s.statement_id and a.occasion = %(occasion)s and a.outcome <> 'refused'))
      and (not %(failed)s or s.statement_id in (
          select p.statement_id from billing.payment_plan p where p.reason_id <> 'PAID'
          union all
          select n.statement_id from billing.statement n
          where n.kind = 'connector' and n.period = %(period)s
            and not exists (select from billing.payment_attempt a where a.statement_id = n.statement_id)))
)
select d.*, u.unaccounted_payment,
       exists (select from billing.adjustment w
               where w.statement_id = d.statement_id and w.kind = 'write_off' and not exists (
                   select from billing.adjustment r where r.reverses_id = w.adjustment_id)) as is_written_off
from debt d
left join (
    select n.statement_id, min(n.gateway_payment_id) as unaccounted_payment
    from billing.unaccounted_payments(array(select statement_id from debt where balance_minor > 0)) n
    group by n.statement_id) u using (statement_id)
order by d.statement_id;
