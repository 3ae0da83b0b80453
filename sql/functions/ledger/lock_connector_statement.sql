-- The connector statement of this id, locked: what moves its balance begins with this. Refuses with EV004 an unknown
-- statement, one of another kind, with `p_hint` as what to do then, and another currency than the statement's (null:
-- none is named).
create or replace function billing.lock_connector_statement(
    p_statement_id text, p_hint text, p_currency text default null)
returns billing.statement
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_statement billing.statement;
begin
    perform billing.lock_statements(array[p_statement_id]);
    select * into v_statement from billing.statement s where s.statement_id = p_statement_id;
    if v_statement.statement_id is null then
        raise exception 'there is no statement %', p_statement_id
            using errcode = 'EV004', hint = 'look up its id in finance.statements';
    elsif v_statement.kind <> 'connector' then
        raise exception '% is no connector statement', p_statement_id using errcode = 'EV004', hint = p_hint;
    elsif v_statement.currency <> p_currency then
        raise exception '% is in %, not in %', p_statement_id, v_statement.currency, p_currency
            using errcode = 'EV004', hint = 'give the amount in the statement''s currency';
    end if;
    return v_statement;
end
$$;
