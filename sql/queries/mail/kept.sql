-- What was kept of a message, the newest try first.
select d.mail_id, d.try_no, d.outcome, d.begun_at, d.file, d.sha256, d.size_bytes
from finance.mail_documents d
where d.mail_id = %(mail_id)s
order by d.try_no desc;
