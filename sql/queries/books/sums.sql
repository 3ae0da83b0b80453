-- What is left to export before an instant, by currency and the two accounts: the number of postings and their sum.
select t.currency, t.debit_account, t.credit_account, count(*) as postings, sum(t.amount_minor)::bigint as amount_minor,
       min((t.posted_at at time zone %(time_zone)s)::date) as first_day,
       max((t.posted_at at time zone %(time_zone)s)::date) as last_day
from billing.transfers_to_export(%(before)s) t
group by t.currency, t.debit_account, t.credit_account
order by t.currency, t.debit_account, t.credit_account
