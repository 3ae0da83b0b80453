-- One statement with its current status and balance, for its page and PDF. Both come from finance's view, so that all
-- readers see the same.
select s.statement_id, s.kind, f.type_label, s.account_id, s.account_name, s.financial_admin_id,
       s.period::text as period,
       s.revision, s.statement_date, s.time_zone, s.count_instant, s.issued_at, s.currency, s.minor_unit,
       s.fee_minor, s.dc_fee_minor, s.exclude_closed, s.exclude_private, s.tax_rate, s.ac_count, s.dc_count,
       s.net_minor, s.tax_minor, s.total_minor, f.paid_amount, f.balance_due, f.status, s.corrects_statement_id,
       s.code_version, s.run_id, g.actor as terms_set_by, g.recorded_at as terms_set_at,
       g.effective_from::text as terms_effective_from,
       (select a.dropped_at from billing.archived_period a where a.period = s.period) as archived_at
from billing.statement s
join finance.statements f on f.statement_id = s.statement_id
left join billing.account_setting g on g.setting_id = s.setting_id
where s.statement_id = %(statement)s;
