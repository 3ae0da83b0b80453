-- Accounts whose account statement of a month is withheld. Parameter: period.
select account_id, reason_id, detail from finance.withheld_account_statements where period = %(period)s order by 1, 2;
