-- Connector statements to look at for collecting, with what is due on each. Parameters, each null for "any":
-- statements (ids), account, period, occasion (only those not tried on it yet), failed (true: only those whose
-- collection failed and that were not paid since, and those of `period` never tried at all).
select s.statement_id, s.account_id, s.financial_admin_id, s.currency, s.minor_unit,
       billing.balance_minor(s.statement_id) as balance_minor
from billing.statement s
where s.kind = 'connector'
  and (%(statements)s::text[] is null or s.statement_id = any(%(statements)s))
  and (%(account)s::text is null or s.account_id = %(account)s)
  and (%(failed)s or %(period)s::text is null or s.period = %(period)s)
  and (%(occasion)s::text is null or not exists (
      select from billing.payment_attempt a
      where a.statement_id = s.statement_id and a.occasion = %(occasion)s))
  and (not %(failed)s or s.statement_id in (
      select p.statement_id from billing.payment_plan p where p.reason_id <> 'PAID'
      union all
      select n.statement_id from billing.statement n
      where n.kind = 'connector' and n.period = %(period)s
        and not exists (select from billing.payment_attempt a where a.statement_id = n.statement_id)))
order by s.statement_id;
