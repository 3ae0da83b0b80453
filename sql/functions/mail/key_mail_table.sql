-- Adds the keys and indexes of billing.mail to a period's table.
create or replace function billing.key_mail_table(p_schema text, p_table text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    execute format('alter table %I.%I add primary key (statement_id, kind, occasion)', p_schema, p_table);
    execute format('create index on %I.%I (mail_id)', p_schema, p_table);
    execute format('create index on %I.%I (state, mail_id) where state <> ''sent''', p_schema, p_table);
    execute format('create index on %I.%I (again_of) where again_of is not null', p_schema, p_table);
end
$$;
