-- Adds billing settings: the columns are arrays of equal length. Returns the number of rows added.
select billing.record_settings(
    %(account_id)s, %(effective_from)s, %(charge_connectors)s, %(financial_admin_id)s,
    %(fee_per_connector)s::numeric[], %(fee_per_dc_connector)s::numeric[], %(exclude_closed)s, %(exclude_private)s,
    %(tax_rate)s::numeric[], %(actor)s, %(reason)s);
