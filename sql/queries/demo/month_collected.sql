-- What came of a month's connector statements in money, by currency, for `evbilling demo`. Parameter: period.
select s.currency, sum(s.total_amount), sum(s.paid_amount), sum(s.balance_due)
  from finance.statements s where s.period = %(period)s and s.kind = 'connector' group by s.currency order by s.currency;
