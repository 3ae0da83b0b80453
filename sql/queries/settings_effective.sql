-- The billing setting in force for a period, one row an account, for `evbilling settings show --period` and for what a
-- changed setting carries over. Parameters: period (YYYY-MM), account_id (null = all accounts).
select
    account_id, effective_from, charge_connectors, financial_admin_id, fee_per_connector,
    fee_per_dc_connector, exclude_closed, exclude_private, tax_rate, actor, recorded_at
from billing.settings_in_force(%(period)s::text)
where %(account_id)s::text is null or account_id = %(account_id)s::text
order by account_id;
