-- The accounts to which a month is forgiven, with who, on which day, and why.
select account_id, actor, to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD'), reason
  from billing.forgiven_in(%(period)s) order by account_id
