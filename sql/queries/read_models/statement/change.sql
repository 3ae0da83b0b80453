-- What the plan that issued a statement has for its account beside the last month billed before, with its terms then.
select p.compared_with::text as compared_with, b.statement_id as statement_before,
       a.connectors_before, a.connectors_now,
       billing.major(a.total_before_minor, a.minor_unit) as total_before,
       billing.major(a.total_now_minor, a.minor_unit) as total_now,
       billing.major(b.fee_minor, b.minor_unit) as fee_before,
       billing.major(b.dc_fee_minor, b.minor_unit) as dc_fee_before,
       b.tax_rate as tax_rate_before,
       exists (select from billing.archived_period x
               where x.period in (p.period, p.compared_with) and x.dropped_at is not null) as is_archived,
       p.plan_id
from billing.plan p
join billing.plan_account a on a.plan_id = p.plan_id and a.account_id = %(account)s and a.currency = %(currency)s
left join billing.statement b
  on b.kind = 'connector' and b.period = p.compared_with and b.account_id = a.account_id and b.currency = a.currency
where p.run_id = %(run)s and p.issued_at is not null and p.compared_with is not null
order by p.plan_id desc
limit 1;
