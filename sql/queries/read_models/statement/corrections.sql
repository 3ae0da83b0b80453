-- The corrections of a connector statement in order, with their reason and the number of connectors that they change,
-- for its page and PDF.
select c.statement_id, c.statement_date, billing.major(c.net_minor, c.minor_unit) as net,
       billing.major(c.tax_minor, c.minor_unit) as tax, billing.major(c.total_minor, c.minor_unit) as total,
       (select e.reason from billing.audit_event e
        where e.subject_id = c.statement_id and e.action = 'issue_correction' order by e.event_id limit 1) as reason,
       (select count(*) from billing.correction_line l where l.correction_id = c.statement_id) as line_count
from billing.statement c
where c.corrects_statement_id = %(statement)s
order by c.revision, c.statement_id;
