-- Makes a period ready for connector statements that are inserted one by one; does nothing if it is ready.
create or replace function billing.open_period(p_period text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_suffix text := replace(p_period, '-', '_');
begin
    if to_regclass('billing.statement_' || v_suffix) is null then
        perform billing.create_issue_tables('billing', 'statement_' || v_suffix, 'transfer_' || v_suffix, p_period);
        perform billing.key_issue_tables('billing', 'statement_' || v_suffix, 'transfer_' || v_suffix);
        perform billing.key_standings('billing', 'standing_' || v_suffix);
        perform billing.attach_issue_tables(p_period);
    end if;
end
$$;
