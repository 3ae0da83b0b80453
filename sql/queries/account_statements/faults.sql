-- Why candidates with a good address still get no statement: faults of their charges, and amounts in a currency that is
-- no longer theirs. A row per account and reason: how many, the first by id, and what it shows. For the assembly.
select account_id, fault as reason_id, count(*) as hits,
       left(min(coalesce(charge_id, '(no id)') collate "C"), 300) as first_id,
       (array_agg(coalesce(shown, 'no amount') order by coalesce(charge_id, '(no id)') collate "C", shown))[1] as shown
from {judged} where fault is not null
group by account_id, fault
union all
select account_id, 'CURRENCY-CHANGED', count(*), min(item_id collate "C"), min(currency)
from (
    select i.account_id, i.item_id, i.currency
    from {item} i join {candidate} a on a.account_id = i.account_id
    -- Charges are in their account's currency, or have a fault of their own.
    where i.item_kind <> 'charge' and i.currency <> a.currency and a.minor_unit >= 0
    union all
    select account_id, last_statement_id, opening_currency from {candidate}
    where opening_minor <> 0 and opening_currency <> currency and minor_unit >= 0) other
group by account_id
order by 1, 2;
