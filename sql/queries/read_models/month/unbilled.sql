-- A month's accounts with billing on but no connector statement: how many, and what was expected of them, by currency.
-- Quarantined ones and those with nothing to bill are told apart. For the Month page. Parameter: period.
with account as (
    -- What is expected of an account is the same on each of its rows; without a currency it is no amount of money.
    select account_id, bool_or(is_quarantined) as is_quarantined, max(currency) as currency,
           case when max(currency) is not null then max(expected_amount) end as amount
      from finance.unbilled_accounts where period = %(period)s group by account_id
)
select is_quarantined, case when amount is null then null else currency end, count(*), sum(amount)
  from account group by 1, 2 order by 1, 2;
