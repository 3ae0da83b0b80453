-- Turns a run's drafts into the tables that publishing attaches: numbered statements, their postings, standings, sums
-- and mail, with all constraints and keys. Only for a period without statements; otherwise its drafts are published
-- one by one. The writer can't change the drafts from here on. The caller holds the fence, and must still hold it when
-- it publishes. A plan that has waited is numbered again, so that its times are those of its issue.
create or replace function billing.number_drafts(p_run_id bigint, p_epoch bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_issue text := 'run_' || p_run_id || '_issue';
    v_posting text := 'run_' || p_run_id || '_posting';
    v_standing text := 'run_' || p_run_id || '_standing';
    v_sum text := 'run_' || p_run_id || '_sum';
    v_mail text := 'run_' || p_run_id || '_mail';
    v_run billing.run;
    v_table text;
    v_wrong text;
    v_held text;
begin
    select * into strict v_run from billing.run where run_id = p_run_id;
    perform billing.hold_fence('issue ' || v_run.period, p_epoch);
    execute format('revoke insert on staging.%I, staging.%I from evbilling_writer', 'run_' || p_run_id || '_statement',
                   'run_' || p_run_id || '_unbilled');
    execute format('drop table if exists staging.%I, staging.%I, staging.%I, staging.%I, staging.%I', v_issue, v_posting,
                   v_standing, v_sum, v_mail);
    if to_regclass('billing.statement_' || replace(v_run.period, '-', '_')) is not null then
        -- Nothing is numbered here any more, as after a canary.
        update billing.plan set seal = billing.seal_of(p_run_id)
        where run_id = p_run_id and epoch = p_epoch and superseded_at is null and issued_at is null;
        return;
    end if;

    perform billing.create_issue_tables('staging', v_issue, v_posting, v_run.period);
    execute format(
        'insert into staging.%5$I (
             statement_id, kind, period, account_id, number, run_id, account_name, financial_admin_id, time_zone,
             count_instant, statement_date, currency, minor_unit, setting_id, fee_minor, dc_fee_minor, exclude_closed,
             exclude_private, tax_rate, ac_count, dc_count, net_minor, tax_minor, total_minor, code_version)
         select ''A-'' || replace(%2$L, ''-'', '''') || ''-'' || lpad(n::text, greatest(6, length(n::text)), ''0''),
                ''connector'', %2$L, account_id, n, %3$s, account_name, financial_admin_id, time_zone,
                count_instant, (%2$L || ''-01'')::date, currency, minor_unit, setting_id, fee_minor, dc_fee_minor,
                exclude_closed, exclude_private, tax_rate, ac_count, dc_count, net_minor, tax_minor, total_minor, %4$L
         from (select d.*, row_number() over (order by d.account_id collate "C") as n from staging.%1$I d) numbered',
        'run_' || p_run_id || '_statement', v_run.period, p_run_id, v_run.code_version, v_issue);
    execute format(
        'select min(i.setting_id) from staging.%I i left join billing.account_setting s on s.setting_id = i.setting_id
         where s.setting_id is null', v_issue) into v_wrong;
    if v_wrong is not null then
        raise exception 'a draft of run % names setting %, which doesn''t exist', p_run_id, v_wrong
            using errcode = 'foreign_key_violation';
    end if;

    -- As post_issued() posts a statement that is inserted. Numbers of transfers are the ledger's own.
    execute format(
        'insert into staging.%1$I (
             transfer_id, kind, statement_id, debit_account, credit_account, amount_minor, currency)
         select nextval(%3$L), t.kind, i.statement_id, ''receivable'', t.account, t.minor, i.currency
         from staging.%2$I i
         cross join lateral (values (''issue'', ''revenue'', i.net_minor), (''tax'', ''tax'', i.tax_minor))
             t (kind, account, minor)
         where t.minor <> 0',
        v_posting, v_issue, pg_get_serial_sequence('billing.transfer', 'transfer_id'));

    -- As list_issued() lists a statement that is inserted.
    execute format(
        'insert into staging.%I (
             statement_id, account_key, connectors, currency, minor_unit, total_minor, balance_minor)
         select statement_id, billing.account_key(account_name, account_id), ac_count + dc_count, currency, minor_unit,
                total_minor, total_minor
         from staging.%I order by number', v_standing, v_issue);
    execute format(
        'create table staging.%I as
         select currency, minor_unit, status, count(*) as statements, sum(connectors) as connectors,
                sum(total_minor) as total_minor, sum(balance_minor) as balance_minor
         from staging.%I group by 1, 2, 3', v_sum, v_standing);
    -- Names to search by need no fence: a name of an account without a statement finds nothing.
    execute format(
        'insert into billing.account_name (account_id, account_name)
         select i.account_id, left(coalesce(i.account_name, ''''), 300) from staging.%I i
         where not exists (
             select from billing.account_name n
             where n.account_id = i.account_id and n.account_name = left(coalesce(i.account_name, ''''), 300))
         order by 1, 2
         on conflict do nothing', v_issue);

    -- As queue_statement_mail() queues the mail of statements that are inserted.
    v_held := billing.reason_to_hold(v_run.deliver, v_run.period, v_run.opened_at);
    perform billing.create_mail_table('staging', v_mail, v_run.period);
    execute format(
        'insert into staging.%I (mail_id, kind, statement_id, account_id, financial_admin_id, period, occasion, state,
                                 last_error, requested_by)
         select nextval(%L), ''connector_statement'', statement_id, account_id, financial_admin_id, period, ''issue'', %L,
                %L, %L
         from staging.%I',
        v_mail, pg_get_serial_sequence('billing.mail', 'mail_id'), case when v_held is null then 'pending' else 'held' end,
        v_held, 'run ' || p_run_id, v_issue);

    perform billing.key_issue_tables('staging', v_issue, v_posting);
    perform billing.key_standings('staging', v_standing);
    perform billing.key_mail_table('staging', v_mail);
    foreach v_table in array array[v_issue, v_posting, v_standing, v_mail] loop
        -- Autovacuum would hold what publishing locks.
        execute format('alter table staging.%I set (autovacuum_enabled = false)', v_table);
        execute format('analyze staging.%I', v_table);
        -- Readers of the stage count drafts and postings; nobody reads staged mail.
        if v_table <> v_mail then
            execute format('grant select on staging.%I to evbilling_writer', v_table);
        end if;
    end loop;
    update billing.plan set seal = billing.seal_of(p_run_id)
    where run_id = p_run_id and epoch = p_epoch and superseded_at is null and issued_at is null;
end
$$;
