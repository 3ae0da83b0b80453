-- For the summary of a month: its mail by kind and state, as finance_reader. Parameter: period.
select kind, state, count(*) from finance.mail where period = %(period)s group by 1, 2 order by 1, 2;
