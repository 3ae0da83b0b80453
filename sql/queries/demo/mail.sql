-- A month's mail by kind and state.
select kind, state, count(*) from finance.mail where period = %(period)s group by 1, 2 order by 1, 2;
