-- Staged items that are on two statements or twice on one, among those staged and those issued. A row per account: how
-- many. For the validation. Hashes are compared first: integers are grouped in half the time.
select account_id, count(*) as items
from (select account_id, count(*) over (partition by item_kind, item_id) as times from {item}
      where hashtextextended(item_id, hashtextextended(item_kind, 0)) in (
          select hashtextextended(item_id, hashtextextended(item_kind, 0)) from {item} group by 1 having count(*) > 1)
      union all
      select i.account_id, 2 from {item} i
      join billing.account_statement_item l on l.item_kind = i.item_kind and l.item_id = i.item_id) listed
where times > 1
group by account_id;
