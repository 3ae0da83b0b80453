create or replace view finance.mail_documents with (security_barrier) as
select d.mail_id,
       d.try_no,
       m.kind,
       m.statement_id,
       m.account_id,
       m.period,
       case when d.try_no = m.tries and m.state in ('sent', 'sending', 'unknown') then m.state
            else 'refused' end as outcome,
       d.begun_at,
       case when d.try_no = m.tries then m.sent_at end as sent_at,
       m.message_id,
       d.file,
       substring(d.file from '([0-9a-f]{64})[.]eml$') as sha256,
       d.size_bytes
from billing.mail_document d
join billing.mail m on m.mail_id = d.mail_id;

comment on view finance.mail_documents is 'One row per try of a message, with the file that keeps what the mail server was given; none for what was sent by releases that kept nothing';
comment on column finance.mail_documents.mail_id is 'Number of the message in finance.mail';
comment on column finance.mail_documents.try_no is 'Number of the try, from 1; another letter is written at each try';
comment on column finance.mail_documents.kind is 'Kind of message, as in finance.mail';
comment on column finance.mail_documents.statement_id is 'Statement that it delivers, or whose charge was declined';
comment on column finance.mail_documents.account_id is 'Account of the statement';
comment on column finance.mail_documents.period is 'Billing month of the statement, YYYY-MM';
comment on column finance.mail_documents.outcome is 'sent: the mail server accepted it; sending: it is being passed to the mail server; unknown: the sender was cut off, so it may have arrived or not; refused: the mail server didn''t take it';
comment on column finance.mail_documents.begun_at is 'When it was passed to the mail server';
comment on column finance.mail_documents.sent_at is 'When the mail server accepted it; null if it didn''t';
comment on column finance.mail_documents.message_id is 'Its Message-ID, the same at each try';
comment on column finance.mail_documents.file is 'Path in the evidence store: the whole message as it was sent, letter and attached PDF, which any mail program opens';
comment on column finance.mail_documents.sha256 is 'SHA-256 of the file''s bytes';
comment on column finance.mail_documents.size_bytes is 'Size of the file in bytes';
