-- Of the messages of one kind about a month's statements, how many were sent or can't be, and how many of these weren't
-- sent. first_id and next_id are the range of the statements' ids, which names the partition.
select count(*), count(*) filter (where state <> 'sent')
from billing.mail
where statement_id >= %(first_id)s and statement_id < %(next_id)s and kind = any(%(kinds)s) and period = %(period)s
  and state in ('sent', 'failed', 'unknown')
