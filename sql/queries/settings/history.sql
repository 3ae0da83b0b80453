-- Everything ever recorded about an account's billing, the oldest first, for `evbilling settings show ACCOUNT` and the
-- Account Billing page: who changed what, when and why, with records that a later one of the same period has replaced.
-- The reason is in the audit event of the same transaction, which has the same time. account_ids null: all accounts.
select
    s.account_id, s.effective_from, s.charge_connectors, s.financial_admin_id, s.fee_per_connector,
    s.fee_per_dc_connector, s.exclude_closed, s.exclude_private, s.tax_rate, s.actor, s.recorded_at, s.setting_id,
    e.reason
from billing.account_setting s
left join (
    select distinct on (subject_id, actor, occurred_at) subject_id, actor, occurred_at, reason
    from billing.audit_event
    where action = 'set_account_billing'
      and (%(account_ids)s::text[] is null or subject_id = any(%(account_ids)s::text[]))
    order by subject_id, actor, occurred_at, event_id
) e on e.subject_id = s.account_id and e.actor = s.actor and e.occurred_at = s.recorded_at
where %(account_ids)s::text[] is null or s.account_id = any(%(account_ids)s::text[])
order by s.account_id, s.effective_from, s.setting_id;
