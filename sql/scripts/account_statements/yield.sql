-- Before a run publishes: accounts that another run has stated for the period or a later one since it was assembled are
-- taken out with their items, so that their statements stand.
with gone as (
    delete from {account} a using billing.last_account_statement l
    where l.account_id = a.account_id and l.period >= %(period)s returning a.account_id
)
delete from {item} i using gone where gone.account_id = i.account_id;
delete from {withheld} w using billing.last_account_statement l
where l.account_id = w.account_id and l.period >= %(period)s;
