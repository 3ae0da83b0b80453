create or replace view finance.audit_events with (security_barrier) as
select e.event_id, e.occurred_at, e.actor, e.action, e.subject_id, e.reason, e.run_id, e.login, e.application
from billing.audit_event e;

comment on view finance.audit_events is 'One row per action that changed what is billed: who, what, why';
comment on column finance.audit_events.event_id is 'Number of the event, ascending';
comment on column finance.audit_events.occurred_at is 'When it was done';
comment on column finance.audit_events.actor is 'Who did it: a person, or the DAG run for scheduled work';
comment on column finance.audit_events.action is 'What was done, as a verb phrase';
comment on column finance.audit_events.subject_id is 'What it was done to: an account, a period or a statement';
comment on column finance.audit_events.reason is 'Why, in that person''s words';
comment on column finance.audit_events.run_id is 'The billing run it belongs to, if any';
comment on column finance.audit_events.login is 'Login of the database session that wrote the event; older events have none';
comment on column finance.audit_events.application is 'What that session calls itself; anybody with the login can choose it';
