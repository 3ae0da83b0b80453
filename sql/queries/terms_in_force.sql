-- The billing terms of each account that is billed per connector in a period: of the settings effective by then the
-- latest, and of several for one period the last recorded. Fees in 1/10000 and tax in 1/1000000, as whole numbers.
select account_id, setting_id, financial_admin_id,
       (fee_per_connector * 10000)::bigint as fee_e4,
       (coalesce(fee_per_dc_connector, fee_per_connector) * 10000)::bigint as dc_fee_e4,
       exclude_closed, exclude_private, (tax_rate * 1000000)::bigint as tax_rate_e6
from (select distinct on (account_id) * from billing.account_setting
      where effective_from <= {period}
      order by account_id, effective_from desc, setting_id desc) latest
where charge_connectors
order by account_id collate "C";
