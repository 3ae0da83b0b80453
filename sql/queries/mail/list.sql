-- A page of the outbox, the newest messages first, for the pages Mail, of one message and of one statement. Null means
-- any kind, state, period, account, statement or message; a to next_c are the ranges of the period's statement ids, by
-- kind; the page starts below the message `before`. kept_try is the try whose bytes are kept: the last one that was
-- begun.
select m.mail_id, m.kind, m.statement_id, m.account_id, s.account_name, m.period, m.state, m.last_error as reason,
       m.tries,
       m.recipient, m.requested_by, m.created_at, m.not_before as due_at, m.claimed_at as begun_at, m.sent_at,
       (select max(n.mail_id) from billing.mail n where n.again_of = m.mail_id) as sent_again_as, m.again_of,
       (select max(d.try_no) from billing.mail_document d where d.mail_id = m.mail_id) as kept_try
from billing.mail m
join billing.statement s on s.statement_id = m.statement_id
where (%(kinds)s::text[] is null or m.kind = any(%(kinds)s))
  and (%(states)s::text[] is null or m.state = any(%(states)s))
  and (%(period)s::text is null or m.period = %(period)s and (
          m.statement_id >= %(a)s and m.statement_id < %(next_a)s
          or m.statement_id >= %(s)s and m.statement_id < %(next_s)s
          or m.statement_id >= %(c)s and m.statement_id < %(next_c)s))
  and (%(account)s::text is null or m.statement_id in (
      select t.statement_id from billing.statement t where t.account_id = %(account)s))
  and (%(statement)s::text is null or m.statement_id = %(statement)s)
  and (%(mail_id)s::bigint is null or m.mail_id = %(mail_id)s)
  and (%(before)s::bigint is null or m.mail_id < %(before)s)
order by m.mail_id desc
limit %(most)s;
