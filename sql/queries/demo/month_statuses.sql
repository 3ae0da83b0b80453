-- A month's connector statements by status, the most first. Parameter: period.
select status, count(*) from finance.statements
 where period = %(period)s and kind = 'connector' group by status order by count(*) desc, status;
