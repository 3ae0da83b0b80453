-- The billing terms of each account that is billed per connector in a period, for the month's run. Fees in 1/10000 and
-- tax in 1/1000000 are whole numbers, so that 100,000 accounts are computed exactly and at once. A fee of NaN that was
-- recorded once is -1: its account is quarantined, the month goes on.
select account_id, setting_id, financial_admin_id,
       coalesce(nullif(fee_per_connector, 'NaN') * 10000, -1)::bigint as fee_e4,
       coalesce(nullif(coalesce(fee_per_dc_connector, fee_per_connector), 'NaN') * 10000, -1)::bigint as dc_fee_e4,
       exclude_closed, exclude_private, (tax_rate * 1000000)::bigint as tax_rate_e6
from billing.settings_in_force(%(period)s)
where charge_connectors
order by account_id collate "C";
