-- Adds billing settings, for `evbilling settings` and the Account Billing page. A setting is changed by recording a
-- newer one, so that a past month can always be explained. Rows equal to the latest of the same account and period are
-- left out, so that loading a file twice adds nothing. Each added row gets one audit event. The columns are arrays of
-- equal length; returns the number of rows added.
with given as (
    select *
    from unnest(
        %(account_id)s::text[], %(effective_from)s::text[], %(charge_connectors)s::boolean[],
        %(financial_admin_id)s::text[], %(fee_per_connector)s::numeric[], %(fee_per_dc_connector)s::numeric[],
        %(exclude_closed)s::boolean[], %(exclude_private)s::boolean[], %(tax_rate)s::numeric[]
    ) with ordinality as g (
        account_id, effective_from, charge_connectors, financial_admin_id, fee_per_connector,
        fee_per_dc_connector, exclude_closed, exclude_private, tax_rate, place
    )
),
latest as (
    select distinct on (s.account_id, s.effective_from) s.*
    from billing.account_setting s
    join given g using (account_id, effective_from)
    order by s.account_id, s.effective_from, s.setting_id desc
),
added as (
    insert into billing.account_setting (
        account_id, effective_from, charge_connectors, financial_admin_id, fee_per_connector,
        fee_per_dc_connector, exclude_closed, exclude_private, tax_rate, actor
    )
    select
        g.account_id, g.effective_from, g.charge_connectors, g.financial_admin_id, g.fee_per_connector,
        g.fee_per_dc_connector, g.exclude_closed, g.exclude_private, g.tax_rate, %(actor)s
    from given g
    left join latest l using (account_id, effective_from)
    where l.setting_id is null
        or (
            g.charge_connectors, g.financial_admin_id, g.fee_per_connector, g.fee_per_dc_connector,
            g.exclude_closed, g.exclude_private, g.tax_rate
        ) is distinct from (
            l.charge_connectors, l.financial_admin_id, l.fee_per_connector, l.fee_per_dc_connector,
            l.exclude_closed, l.exclude_private, l.tax_rate
        )
    order by g.place
    returning account_id
),
audited as (
    insert into billing.audit_event (actor, action, subject_id, reason)
    select %(actor)s, 'set_account_billing', account_id, %(reason)s
    from added
    returning 1
)
select count(*) from audited;
