-- The first of a month's accounts without a connector statement, the most money first, for the Month page: with all
-- their reasons and the name under which they were last billed.
with account as (
    select account_id, max(expected_connector_count) as connectors, max(expected_amount) as amount,
           max(currency) as currency, array_agg(reason_id order by reason_id) as reasons,
           array_agg(detail order by reason_id) as details
      from finance.unbilled_accounts where period = %(period)s
     group by account_id having bool_or(is_quarantined) = %(is_quarantined)s
     order by amount desc nulls last, account_id limit %(limit)s
)
select a.account_id, n.account_name, a.reasons, a.details, a.connectors, a.amount, a.currency
  from account a
  left join lateral (select s.account_name from billing.statement s where s.account_id = a.account_id
                      order by s.period desc limit 1) n on true
 order by a.amount desc nulls last, a.account_id;
