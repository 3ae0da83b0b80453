create or replace view finance.receivables_by_age with (security_barrier) as
select r.account_id,
       r.currency,
       case when current_date - r.statement_date <= 30 then '0-30 days'
            when current_date - r.statement_date <= 60 then '31-60 days'
            when current_date - r.statement_date <= 90 then '61-90 days'
            else 'over 90 days' end as age,
       count(*) as statements,
       sum(round(r.balance_minor / power(10::numeric, r.minor_unit), r.minor_unit)) as balance_due
from billing.receivable r
where r.balance_minor <> 0
group by 1, 2, 3;

comment on view finance.receivables_by_age is 'What accounts owe on connector statements, by age; credits are below zero';
comment on column finance.receivables_by_age.account_id is 'Account that owes';
comment on column finance.receivables_by_age.currency is 'ISO 4217 code';
comment on column finance.receivables_by_age.age is 'Days since the statement''s date: 0-30, 31-60, 61-90 or over 90 days';
comment on column finance.receivables_by_age.statements is 'Connector statements with a balance';
comment on column finance.receivables_by_age.balance_due is 'Sum of what is due on them, in major units';
