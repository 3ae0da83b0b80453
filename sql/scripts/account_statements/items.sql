-- The candidates' items other than new charges and opening balances: our own records that are on no account statement
-- yet, and what was settled of charges since they were listed. For the assembly.
insert into {item} (item_kind, item_id, account_id, occurred_at, description, currency, minor_unit, net_minor,
                    tax_minor, total_minor, settled_minor)
select u.item_kind, u.item_id, u.account_id, u.occurred_at, u.description, u.currency, u.minor_unit, u.net_minor,
       u.tax_minor, u.total_minor, 0
from billing.unstated_item u
join {candidate} a on a.account_id = u.account_id
where u.period <= %(period)s
union all
select 'paid_outside', format('settled/%%s/%%s', charge_id, settled_minor), account_id, %(now)s::timestamptz,
       'Settled since: ' || listed_description, listed_currency, listed_unit, -increase_minor, 0, -increase_minor, 0
from {judged} where increase_minor > 0;
analyze {judged}, {item} (item_kind, item_id, account_id);
