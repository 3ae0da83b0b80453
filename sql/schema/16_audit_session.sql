-- Which session wrote an event: its login and application, beside the actor that the service names.
-- requires: functions/audit/stamp_event.sql

alter table billing.audit_event add column if not exists login text, add column if not exists application text;
create or replace trigger audit_event_is_stamped before insert on billing.audit_event
for each row execute function billing.stamp_event();
