-- One statement with its current status and balance, for its page and PDF. Both come from finance's view, so that all
-- readers see the same.
select s.statement_id, s.kind, f.type_label, s.account_id, s.account_name, s.financial_admin_id,
       s.period::text as period,
       s.revision, s.statement_date, s.time_zone, s.count_instant, s.issued_at, s.currency, s.minor_unit,
       billing.major(s.net_minor, s.minor_unit) as net, billing.major(s.tax_minor, s.minor_unit) as tax,
       billing.major(s.total_minor, s.minor_unit) as total, s.tax_rate, f.paid_amount as paid, f.balance_due as balance,
       f.status, s.ac_count, s.dc_count, s.corrects_statement_id as corrects, s.code_version, s.run_id,
       billing.major(s.fee_minor, s.minor_unit) as fee, billing.major(s.dc_fee_minor, s.minor_unit) as dc_fee,
       s.exclude_closed, s.exclude_private, g.actor as set_by, g.recorded_at as set_at,
       g.effective_from::text as effective_from,
       (select a.dropped_at from billing.archived_period a where a.period = s.period) as archived_at
from billing.statement s
join finance.statements f on f.statement_id = s.statement_id
left join billing.account_setting g on g.setting_id = s.setting_id
where s.statement_id = %(statement)s;
