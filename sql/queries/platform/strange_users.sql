-- Accounts that the platform doesn't know, with the users that are theirs by their rows: how many, and two of them.
-- Those with most users first. Users without an account are nobody's on purpose.
select u.account_id, count(*), array[min(u.user_id collate "C"), max(u.user_id collate "C")], null, null
from {app_user} u
where u.account_id is not null and not exists (select from {account} a where a.account_id = u.account_id)
group by u.account_id order by count(*) desc, u.account_id collate "C" limit 5
