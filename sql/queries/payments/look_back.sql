-- This warehouse's name at the gateway, and since when the gateway's payments tell whether it was restored: since the
-- newest attempt of those that were sent, or if none was, since its first run.
select i.installation_id::text,
       coalesce((select a.sent_at from billing.payment_attempt a where a.sent_at is not null
                 order by a.attempt_id desc limit 1),
                (select min(r.opened_at) from billing.run r), clock_timestamp())
from billing.installation i;
