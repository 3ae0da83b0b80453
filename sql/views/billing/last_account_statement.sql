-- The newest account statement of each account. In the order in which the key's index is read backwards.
create or replace view billing.last_account_statement as
select distinct on (account_id) account_id, statement_id, period::text as period, currency, minor_unit, total_minor,
       financial_admin_id, account_name, time_zone
from billing.statement where kind = 'account' order by account_id desc, period desc;
