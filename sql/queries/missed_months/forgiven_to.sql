-- The months that are forgiven to an account, the newest first.
select period, amount, currency, actor, reason, recorded_at
  from billing.forgiven_in() where account_id = %(account_id)s order by period desc
