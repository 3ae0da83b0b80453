-- What was done to one statement or account is shown on its page; without this every event there is would be read.
create index audit_event_subject on billing.audit_event (subject_id, event_id);
