-- Accounts that have chargers without an id at the count: the connectors of such a charger can't be found.
select account_id, count(*) as chargers from {charger} as ch
where charger_id is null and account_id is not null
  and (valid_from is null or valid_from <= %(last)s) and (valid_to is null or valid_to > %(first)s)
group by account_id;
