-- The daily run of the policies of missed months has a service level.
alter table billing.service_level_policy
    drop constraint known_service_level,
    add constraint known_service_level check (
        service_level in (
            'connector_statements', 'account_statements', 'charges', 'payment_retries', 'payment_reconciliation',
            'mail_delivery', 'gateway', 'missed_months'
        )
    );
insert into billing.service_level_policy (service_level, effective_from, due_after, actor, reason)
select 'missed_months', '1900-01-01', '22 hours', 'evbilling', 'default'
where not exists (select from billing.service_level_policy where service_level = 'missed_months');
