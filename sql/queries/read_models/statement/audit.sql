-- What was done with a statement, by whom and why, and how its month was issued, in order, for its page.
select occurred_at, actor, action, reason
from finance.audit_events
where subject_id = %(statement)s or (subject_id = %(period)s and run_id = %(run)s)
order by event_id;
