-- What a month's statements come to by kind, currency and status. For the Month page. Parameter: period.
select kind, currency, status, count(*), sum(total_amount), sum(balance_due)
  from finance.statements where period = %(period)s group by kind, currency, status;
