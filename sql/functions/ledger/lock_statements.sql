-- A transaction that moves the balance of statements locks them first, all in one order, and reads the balance
-- afterwards. That works only where each command sees what was committed before it began: with a snapshot of its own,
-- the transaction would go by an outdated balance.
create or replace function billing.lock_statements(p_statements text[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'money can''t be moved at isolation level %', current_setting('transaction_isolation')
            using errcode = 'EV004', hint = 'use read committed';
    end if;
    perform from billing.statement s where s.statement_id = any(p_statements) order by s.statement_id for no key update;
end
$$;
