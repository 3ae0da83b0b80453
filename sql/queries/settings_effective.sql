-- The billing setting in force for a period, one row an account: for the connector statements and for
-- `evbilling settings show --period`. The latest effective_from not after the period counts; what was recorded last
-- wins among those of the same effective_from, since settings are only ever added.
-- Parameters: period (YYYY-MM, which sorts as text as it does in time), account_id (null = all accounts).
select distinct on (account_id)
    account_id, effective_from, charge_connectors, financial_admin_id, fee_per_connector,
    fee_per_dc_connector, exclude_closed, exclude_private, tax_rate, actor, recorded_at
from billing.account_setting
where effective_from <= %(period)s::text
    and (%(account_id)s::text is null or account_id = %(account_id)s::text)
order by account_id, effective_from desc, setting_id desc;
