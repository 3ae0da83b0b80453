-- Accounts without a statement in a month, the most money first. Parameter: period.
select account_id, reason_id, detail, expected_connector_count, expected_amount, currency
  from finance.unbilled_accounts
 where period = %(period)s order by expected_amount desc nulls last, account_id;
