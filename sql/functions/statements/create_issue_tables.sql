-- Creates the tables of a period's connector statements, their transfers and standings, without keys.
create or replace function billing.create_issue_tables(
    p_schema text, p_statement text, p_transfer text, p_period text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_range text := format('statement_id >= %L and statement_id < %L', billing.statement_range(p_period, 0),
                           billing.statement_range(p_period, 1));
begin
    execute format(
        'create table %I.%I (like billing.statement including defaults including constraints,
             constraint statement_of_period check (kind = ''connector'' and period = %L),
             constraint statement_of_range check (%s))', p_schema, p_statement, p_period, v_range);
    execute format(
        'create table %I.%I (like billing.transfer including defaults including constraints including generated,
             constraint transfer_of_range check (%s))', p_schema, p_transfer, v_range);
    execute format(
        'create table %I.%I (like billing.standing including defaults including constraints including generated,
             constraint standing_of_range check (%s)) with (fillfactor = 90)', p_schema, billing.standing_beside(p_statement),
        v_range);
end
$$;
