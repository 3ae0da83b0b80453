-- A month's accounts with billing on but without a connector statement, for the Month page: how many, and the money
-- expected of them by currency. Quarantined accounts are counted apart from those with nothing to bill.
with account as (
    -- All rows of an account have the same expectation. Without a currency it is no amount of money.
    select account_id, bool_or(is_quarantined) as is_quarantined, max(currency) as currency,
           case when max(currency) is not null then max(expected_amount) end as amount
      from finance.unbilled_accounts where period = %(period)s group by account_id
)
select is_quarantined, case when amount is null then null else currency end, count(*), sum(amount)
  from account group by 1, 2 order by 1, 2;
