-- Attaches a period's tables of standings, statements, transfers and mail, which are in schema billing with their
-- keys, as partitions. Standings come first, so that a statement is never visible without its standing. The mail is
-- what number_drafts() has staged, or an empty table for messages to come.
create or replace function billing.attach_issue_tables(p_period text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_suffix text := replace(p_period, '-', '_');
    v_parent text;
    v_part text;
    v_run_id bigint;
    v_staged text;
begin
    foreach v_parent in array array['standing', 'statement', 'transfer'] loop
        v_part := v_parent || '_' || v_suffix;
        execute format('alter table billing.%I attach partition billing.%I for values from (%L) to (%L)',
                       v_parent, v_part, billing.statement_range(p_period, 0), billing.statement_range(p_period, 1));
        perform billing.guard_part(v_parent, v_part);
    end loop;
    execute format('select run_id from billing.%I limit 1', 'statement_' || v_suffix) into v_run_id;
    v_staged := 'run_' || v_run_id || '_mail';
    if to_regclass('staging.' || v_staged) is not null then
        execute format('alter table staging.%I rename to %I', v_staged, 'mail_' || v_suffix);
        execute format('alter table staging.%I set schema billing', 'mail_' || v_suffix);
        execute format('alter table billing.%I reset (autovacuum_enabled)', 'mail_' || v_suffix);
    else
        perform billing.create_mail_table('billing', 'mail_' || v_suffix, p_period);
        perform billing.key_mail_table('billing', 'mail_' || v_suffix);
    end if;
    perform billing.attach_mail_table(p_period);
end
$$;
