-- Adds keys and indexes to a period's tables of statements and transfers, as the partitioned tables have them.
create or replace function billing.key_issue_tables(p_schema text, p_statement text, p_transfer text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    execute format(
        'alter table %1$I.%2$I
             add constraint %3$I primary key (statement_id),
             add constraint %4$I unique (account_id, period, kind, revision),
             add constraint %5$I unique (period, kind, number)',
        p_schema, p_statement, 'one_per_id_' || p_statement, 'one_per_kind_account_period_revision_' || p_statement,
        'one_per_number_' || p_statement);
    execute format('create index on %I.%I (corrects_statement_id) where corrects_statement_id is not null',
                   p_schema, p_statement);
    execute format('alter table %I.%I add primary key (statement_id, entry)', p_schema, p_transfer);
    execute format('create index on %I.%I (transfer_id)', p_schema, p_transfer);
    execute format('create unique index on %I.%I (statement_id, correction_id, kind) where correction_id is not null',
                   p_schema, p_transfer);
    execute format('create unique index on %I.%I (statement_id, attempt_id) where attempt_id is not null',
                   p_schema, p_transfer);
    execute format('create unique index on %I.%I (statement_id, paid_outside_id, kind) where paid_outside_id is not null',
                   p_schema, p_transfer);
end
$$;
