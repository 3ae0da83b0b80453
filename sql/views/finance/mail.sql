create or replace view finance.mail with (security_barrier) as
select m.mail_id,
       m.kind,
       m.statement_id,
       m.account_id,
       m.financial_admin_id,
       m.period,
       m.state,
       m.last_error as reason,
       m.tries,
       case when m.recipient is not null
            then left(m.recipient, 1) || '***@' || substring(m.recipient from '@([^@]*)$') end as recipient,
       m.requested_by,
       m.created_at,
       m.not_before as due_at,
       m.claimed_at as begun_at,
       m.sent_at,
       m.message_id,
       m.attempt_id,
       m.again_of,
       a.mail_id as sent_again_as
from billing.mail m
left join lateral (select max(n.mail_id) as mail_id from billing.mail n where n.again_of = m.mail_id) a on true;

comment on view finance.mail is 'One row per message to a financial admin: a statement, a correction, or the notice of a failed charge';
comment on column finance.mail.mail_id is 'Number of the message';
comment on column finance.mail.kind is 'connector_statement, account_statement, correction, or failed_charge: a notice of a declined charge';
comment on column finance.mail.statement_id is 'Statement that it delivers, or whose charge was declined';
comment on column finance.mail.account_id is 'Account of the statement';
comment on column finance.mail.financial_admin_id is 'User to whom the statement was issued; the message goes to the address that the platform has for this user when it is sent';
comment on column finance.mail.period is 'Billing month of the statement, YYYY-MM';
comment on column finance.mail.state is 'pending: waits to be sent; sending: it is being passed to the mail server; sent: the mail server accepted it; failed: it can''t be sent; unknown: the sender was cut off, so it may have arrived or not; held: not sent unless somebody asks for it';
comment on column finance.mail.reason is 'Why it isn''t sent, or not yet, in plain words; null if nothing prevents it';
comment on column finance.mail.tries is 'How often it was passed to the mail server';
comment on column finance.mail.recipient is 'Address it went to, masked: x***@example.org; null if it was never sent';
comment on column finance.mail.requested_by is 'The run or the attempt that queued it, or the person who requested it';
comment on column finance.mail.created_at is 'When it was queued';
comment on column finance.mail.due_at is 'Earliest time to send it; after a temporary refusal, the time of the next try';
comment on column finance.mail.begun_at is 'When it was last passed to the mail server';
comment on column finance.mail.sent_at is 'When the mail server accepted it; null if it didn''t';
comment on column finance.mail.message_id is 'Its Message-ID, by which mail servers name it in their logs';
comment on column finance.mail.attempt_id is 'Payment attempt that was declined; null for other kinds';
comment on column finance.mail.again_of is 'Message that this one repeats at a person''s request; null for others';
comment on column finance.mail.sent_again_as is 'Newest message that repeats this one; null if there is none';
