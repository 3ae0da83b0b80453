create or replace view finance.statements with (security_barrier) as
select s.statement_id,
       s.kind,
       case s.kind when 'connector' then 'Account Chargers' when 'account' then 'Account Statement'
                   else 'Correction' end as type_label,
       s.account_id,
       s.account_name,
       s.financial_admin_id,
       s.period::text as period,
       s.statement_date,
       s.currency,
       s.ac_count + s.dc_count as connector_count,
       round(s.net_minor / power(10::numeric, s.minor_unit), s.minor_unit) as net_amount,
       round(s.tax_minor / power(10::numeric, s.minor_unit), s.minor_unit) as tax_amount,
       round(s.total_minor / power(10::numeric, s.minor_unit), s.minor_unit) as total_amount,
       case s.kind when 'connector'
            then round(m.paid_minor / power(10::numeric, s.minor_unit), s.minor_unit) end as paid_amount,
       case s.kind when 'connector'
            then round(m.balance_minor / power(10::numeric, s.minor_unit), s.minor_unit) end as balance_due,
       case when s.kind <> 'connector' then 'Issued'
            else billing.status_of(m.balance_minor, m.paid_minor, m.last_way, h.has_failed)::text end as status,
       s.issued_at,
       s.corrects_statement_id,
       case s.kind when 'connector'
            then round(coalesce(w.minor, 0) / power(10::numeric, s.minor_unit), s.minor_unit) end as written_off_amount
from billing.statement s
left join billing.receivable m on m.statement_id = s.statement_id
left join lateral (
    select bool_or(a.outcome = 'declined') as has_failed
    from billing.payment_attempt a where a.statement_id = s.statement_id) h on s.kind = 'connector'
left join lateral (
    select sum(case t.kind when 'write_off' then t.amount_minor else -t.amount_minor end) as minor
    from billing.adjustment t
    where t.statement_id = s.statement_id and t.kind in ('write_off', 'undo_write_off')) w on s.kind = 'connector';

comment on view finance.statements is 'One row per issued statement';
comment on column finance.statements.statement_id is 'Number of the statement: A… connector statement, S… account statement, C… correction; gapless per kind and period';
comment on column finance.statements.kind is 'connector, account or correction';
comment on column finance.statements.type_label is 'The kind as people read it; connector statements are "Account Chargers"';
comment on column finance.statements.account_id is 'Account whose chargers are billed';
comment on column finance.statements.account_name is 'Name of the account when the statement was issued';
comment on column finance.statements.financial_admin_id is 'User who is charged, as set when the statement was issued';
comment on column finance.statements.period is 'Billing month, YYYY-MM';
comment on column finance.statements.statement_date is 'Date of the statement: the 1st for connector statements';
comment on column finance.statements.currency is 'ISO 4217 code of every amount in the row';
comment on column finance.statements.connector_count is 'Connectors billed on the statement; null for other kinds';
comment on column finance.statements.net_amount is 'Amount before tax, in major units of the currency';
comment on column finance.statements.tax_amount is 'Tax, rounded half-up once for the whole statement';
comment on column finance.statements.total_amount is 'Net plus tax: what is charged';
comment on column finance.statements.paid_amount is 'Collected so far, by whatever way, less what was undone; null for account statements and corrections, which aren''t collected themselves';
comment on column finance.statements.balance_due is 'Total and corrections less what is paid or written off, below zero for a credit; null for account statements, which sum up, and corrections, which move the balance of what they correct';
comment on column finance.statements.status is 'Issued (not collected yet), Paid, Billing failure, Billing failure (resolved): collected after a failure, Paid manually: the last of it was paid by other means, or Partly paid. What is written off isn''t paid: the status stays that of an unpaid statement';
comment on column finance.statements.issued_at is 'When the statement was issued; it never changes afterwards';
comment on column finance.statements.corrects_statement_id is 'The statement that a correction corrects; null for others';
comment on column finance.statements.written_off_amount is 'What is written off and not undone: owed, and no longer collected';
