-- What is owed on connector statements by month and currency, and apart from it what is credit. For the Month page. A
-- statement of a month is dated its 1st.
select period, currency, count(*) filter (where balance_due > 0),
       sum(case when balance_due > 0 then balance_due else balance_due - balance_due end),
       count(*) filter (where balance_due < 0),
       sum(case when balance_due < 0 then balance_due else balance_due - balance_due end)
  from finance.statements where kind = 'connector' and balance_due <> 0 group by period, currency;
