-- Before a run publishes: accounts that another run has stated for the period or a later one since it was assembled are
-- taken out, so that their statements stand.
delete from {account} a using billing.last_account_statement l
where l.account_id = a.account_id and l.period >= {period};
delete from {withheld} w using billing.last_account_statement l
where l.account_id = w.account_id and l.period >= {period};
delete from {item} i where not exists (select from {account} a where a.account_id = i.account_id);
