-- Each connector as its account's latest correction left it.
create or replace view billing.last_correction_line as
select distinct on (l.period, l.account_id, l.charger_id, l.connector_id) l.*
from billing.correction_line l join billing.statement s on s.statement_id = l.correction_id
order by l.period, l.account_id, l.charger_id, l.connector_id, s.revision desc;
