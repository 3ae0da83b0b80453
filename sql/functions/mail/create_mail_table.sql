-- Creates the table of messages about a period's connector statements, without keys.
create or replace function billing.create_mail_table(p_schema text, p_table text, p_period text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    execute format(
        'create table %I.%I (like billing.mail including defaults including constraints,
             constraint mail_of_range check (statement_id >= %L and statement_id < %L))',
        p_schema, p_table, billing.statement_range(p_period, 0), billing.statement_range(p_period, 1));
end
$$;
