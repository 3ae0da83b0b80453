-- The messages of one request to send statements by mail, in order of their statements.
select m.statement_id, m.kind, m.state, m.reason, b.recipient
from finance.mail m join billing.mail b using (mail_id)
where b.request_id = %(request_id)s order by m.statement_id, m.mail_id;
