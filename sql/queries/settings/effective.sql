-- The billing setting in force for a period, a row per account, for `evbilling settings show --period`, for what a
-- changed setting carries over, and for the Account Billing pages. account_ids null: all accounts.
select
    account_id, effective_from, charge_connectors, financial_admin_id, fee_per_connector,
    fee_per_dc_connector, exclude_closed, exclude_private, tax_rate, actor, recorded_at, setting_id
from billing.settings_in_force(%(period)s::text)
where %(account_ids)s::text[] is null or account_id = any(%(account_ids)s::text[])
order by account_id;
