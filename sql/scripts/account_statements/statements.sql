-- What remains to be issued, after the withheld accounts were filled in: withheld accounts with something to state,
-- accounts to state, their items only, and their opening balances. For the assembly.
delete from {withheld} w using {candidate} a
where a.account_id = w.account_id and a.opening_minor = 0
  and not exists (select from {item} i where i.account_id = w.account_id)
  and not exists (select from {judged} j
                  where j.account_id = w.account_id and (j.fault is not null or j.listed_on is null));
insert into {account} (account_id, account_name, financial_admin_id, time_zone, currency, minor_unit)
select account_id, account_name, financial_admin_id, time_zone, currency, minor_unit
from {candidate} a
where not exists (select from {withheld} w where w.account_id = a.account_id)
  and (opening_minor <> 0 or account_id in (select account_id from {item}));
delete from {item} i using {withheld} w where w.account_id = i.account_id;
insert into {item} (item_kind, item_id, account_id, occurred_at, description, currency, minor_unit, net_minor,
                    tax_minor, total_minor, settled_minor)
select 'opening_balance', coalesce(c.last_statement_id, 'first-of-' || c.account_id), c.account_id, c.opens_at,
       coalesce('Balance of ' || c.last_statement_id, 'Opening balance'), c.currency, c.minor_unit, c.opening_minor, 0,
       c.opening_minor, 0
from {candidate} c join {account} a on a.account_id = c.account_id;
analyze {account} (account_id);
