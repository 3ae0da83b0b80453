-- How many account statements, items and withheld accounts a run has staged, for its log.
select (select count(*) from {account}) as accounts, (select count(*) from {item}) as items,
       (select count(distinct account_id) from {withheld}) as withheld;
