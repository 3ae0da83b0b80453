-- A decision may be replaced only as long as its account has no statement for the period, as when there is nothing to
-- bill.
create or replace function billing.refuse_change_of_issued_decision() returns trigger language plpgsql as $$
begin
    if exists (select from billing.statement s
               where s.kind = 'connector' and s.period = old.period and s.account_id = old.account_id) then
        raise exception 'decision on connector %/% of % in % belongs to an issued statement',
            old.charger_id, old.connector_id, old.account_id, old.period
            using errcode = 'EV002', hint = 'issue a correction';
    end if;
    return case tg_op when 'DELETE' then old else new end;
end
$$;
