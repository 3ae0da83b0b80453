-- Adds the keys and indexes of billing.standing to a period's table.
create or replace function billing.key_standings(p_schema text, p_standing text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    execute format('alter table %I.%I add primary key (statement_id)', p_schema, p_standing);
    execute format('create index on %I.%I (status, statement_id)', p_schema, p_standing);
    execute format('create index on %I.%I (status, account_key, statement_id)', p_schema, p_standing);
    execute format('create index on %I.%I (status, connectors, statement_id)', p_schema, p_standing);
    execute format('create index on %I.%I (status, billing.major(total_minor, minor_unit), statement_id)', p_schema,
                   p_standing);
    execute format('create index on %I.%I (status, billing.major(balance_minor, minor_unit), statement_id)', p_schema,
                   p_standing);
    execute format('create index on %I.%I (status, currency)', p_schema, p_standing);
    execute format('create index on %I.%I (statement_id) '
                   'include (status, currency, minor_unit, balance_minor, has_failed) where balance_minor > 0',
                   p_schema, p_standing);
end
$$;
