-- Before a run publishes: removes the accounts, with their items, that another run has stated for this or a later
-- period since the assembly. Those statements remain as they are.
with gone as (
    delete from {account} a using billing.last_account_statement l
    where l.account_id = a.account_id and l.period >= %(period)s returning a.account_id
)
delete from {item} i using gone where gone.account_id = i.account_id;
delete from {withheld} w using billing.last_account_statement l
where l.account_id = w.account_id and l.period >= %(period)s;
