-- Everything ever recorded about an account's billing, oldest first, for `evbilling settings show ACCOUNT`: finance
-- sees who changed what and when, also what a later record of the same period has replaced.
-- Parameters: account_id (null = all accounts); period is not used.
select
    account_id, effective_from, charge_connectors, financial_admin_id, fee_per_connector,
    fee_per_dc_connector, exclude_closed, exclude_private, tax_rate, actor, recorded_at
from billing.account_setting
where %(account_id)s::text is null or account_id = %(account_id)s::text
order by account_id, effective_from, setting_id;
