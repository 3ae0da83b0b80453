-- Ten million connectors: keys that are built and compared faster, and an issuing transaction with less to do. For the
-- DAGs; finance sees no difference. Rebuilds the keys of issued decisions: about 1.5 s per million rows. Measured in
-- docs/decisions/0015.

-- The period is the same throughout a partition: a key that begins with it compares it first, to no avail, a billion
-- times while it is built. At the end it costs nothing, and an account's decisions are still found by the key.
alter table billing.connector_decision drop constraint connector_decision_pkey;
alter table billing.connector_decision add primary key (account_id, charger_id, connector_id, period);
drop index billing.connector_billed_once;
create unique index connector_billed_once on billing.connector_decision (charger_id, connector_id, period)
    where rule_id is null;

-- A statement's unique keys serve its look-ups too, in this order of columns, so that issuing fills three indexes.
alter table billing.statement
    drop constraint one_statement_per_kind_account_period_revision,
    drop constraint one_statement_per_number,
    add constraint one_statement_per_kind_account_period_revision unique (account_id, period, kind, revision),
    add constraint one_statement_per_number unique (period, kind, number);
drop index billing.statement_account;
drop index billing.statement_period;
drop index billing.statement_correction;  -- statement_corrections is the same

-- A statement names a run and a setting that exist: looked up for all at once, where a foreign key looks up each of a
-- hundred thousand by itself. Neither ever goes: settings are append-only, and runs with statements can't be deleted.
alter table billing.statement
    drop constraint statement_run_id_fkey,
    drop constraint statement_setting_id_fkey;
create function billing.require_run_and_setting() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_wrong text;
begin
    select min(i.statement_id) into v_wrong
    from issued i
    left join billing.run r on r.run_id = i.run_id
    left join billing.account_setting s on s.setting_id = i.setting_id
    where r.run_id is null or (i.setting_id is not null and s.setting_id is null);
    if v_wrong is not null then
        raise exception 'statement % names a run or a setting that doesn''t exist', v_wrong
            using errcode = 'foreign_key_violation';
    end if;
    return null;
end
$$;
create trigger statement_names_run_and_setting after insert on billing.statement
    referencing new table as issued for each statement execute function billing.require_run_and_setting();
create function billing.refuse_loss_of_run() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from billing.statement s where s.run_id = old.run_id)
       and (tg_op = 'DELETE' or new.run_id <> old.run_id) then
        raise exception 'run % has issued statements', old.run_id using errcode = 'foreign_key_violation';
    end if;
    return case tg_op when 'DELETE' then old else new end;
end
$$;
create trigger run_with_statements_stays before delete or update of run_id on billing.run
    for each row execute function billing.refuse_loss_of_run();

-- One index finds a statement's transfers, and lets in the posting and the tax of its issue once; `entry` is the number
-- of each among those of its statement.
alter table billing.transfer drop constraint transfer_pkey;
drop index billing.transfer_statement, billing.posted_once_at_issue;
alter table billing.transfer
    add entry bigint not null generated always as (case kind when 'issue' then -2 when 'tax' then -1 else transfer_id end)
        stored,
    add constraint posted_once_at_issue primary key (statement_id, entry);
comment on column billing.transfer.entry is 'Number among the transfers of its statement; below 0 those of its issue';

-- A correction is posted by its own insertion, which looks at what it corrects, and no statement ever goes: foreign keys
-- would look at each of 300,000 rows that correct nothing.
alter table billing.transfer drop constraint transfer_correction_id_fkey;
alter table billing.statement drop constraint statement_corrects_statement_id_fkey;

-- As before, but each statement's transfers one after the other, in the order of the index that they go into.
create or replace function billing.post_issued() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_wrong text;
begin
    if exists (select from issued where kind = 'correction') then
        perform billing.lock_statements(array(select corrects_statement_id from issued where kind = 'correction'));
        select string_agg(i.statement_id, ', ' order by i.statement_id) into v_wrong
        from issued i
        where i.kind = 'correction' and not exists (
            select from billing.statement s
            where s.statement_id = i.corrects_statement_id and s.kind = 'connector'
              and (s.account_id, s.currency, s.minor_unit) = (i.account_id, i.currency, i.minor_unit));
        if v_wrong is not null then
            raise exception 'corrections that aren''t of a connector statement of the same account and currency: %', v_wrong
                using errcode = 'EV004';
        end if;
    end if;
    insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, correction_id)
    select t.kind, coalesce(i.corrects_statement_id, i.statement_id),
           case when t.minor > 0 then 'receivable' else t.account end,
           case when t.minor > 0 then t.account else 'receivable' end,
           abs(t.minor), i.currency, case i.kind when 'correction' then i.statement_id end
    from issued i
    cross join lateral (values
        (case i.kind when 'connector' then 'issue' else 'correction' end, 'revenue', i.net_minor),
        (case i.kind when 'connector' then 'tax' else 'correction_tax' end, 'tax', i.tax_minor)) t (kind, account, minor)
    where i.kind in ('connector', 'correction') and t.minor <> 0;
    return null;
end
$$;

-- What a shard's inventory looks like, for the validation: rows, and how often each value of a column occurs.
alter table billing.run_shard add profile jsonb;
alter table billing.run_shard add orphans bigint not null default 0;
comment on column billing.run_shard.orphans is
    'Connectors without a charger that the source knows, found with the part whose first shard this is';
comment on column billing.run_shard.profile is 'What the stored inventory of the shard holds, as its decisions were made';

-- As before, with the new order of keys.
create or replace function billing.open_stage(p_run_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_period text;
    v_stage text := 'run_' || p_run_id;
begin
    perform pg_advisory_xact_lock(hashtext('evbilling stage'));
    select period into strict v_period from billing.run where run_id = p_run_id;
    perform billing.drop_stage(run_id) from billing.run where period = v_period and run_id < p_run_id
       and (state <> 'open' or opened_at < now() - interval '7 days');
    if to_regclass('staging.' || v_stage) is not null then
        return;
    end if;
    execute format(
        'create table staging.%1$I (like billing.connector_decision including constraints,
             constraint %2$I check (period = %3$L)) partition by hash (charger_id)',
        v_stage, v_stage || '_period', v_period);
    execute format('alter table staging.%I alter column period set default %L', v_stage, v_period);
    execute format('alter table staging.%I add primary key (account_id, charger_id, connector_id, period)', v_stage);
    execute format('create unique index on staging.%I (charger_id, connector_id, period) where rule_id is null', v_stage);
    execute format(
        'create table staging.%I (account_id text primary key, account_name text, financial_admin_id text not null,
             time_zone text not null, count_instant timestamptz not null, currency text not null,
             minor_unit smallint not null, setting_id bigint not null, fee_minor bigint not null,
             dc_fee_minor bigint not null, exclude_closed boolean not null, exclude_private boolean not null,
             tax_rate numeric not null, ac_count integer not null, dc_count integer not null, net_minor bigint not null,
             tax_minor bigint not null, total_minor bigint not null)', v_stage || '_statement');
    execute format(
        'create table staging.%I (account_id text not null, reason_id text not null, detail text not null,
             is_quarantined boolean not null, expected_connector_count bigint, expected_amount numeric, currency text,
             primary key (account_id, reason_id))', v_stage || '_unbilled');
    execute format('grant select on staging.%I to evbilling_writer', v_stage);
    execute format('grant select, insert, delete on staging.%I, staging.%I to evbilling_writer',
                   v_stage || '_statement', v_stage || '_unbilled');
end
$$;

-- As before, but autovacuum stays away while a shard lies staged: it would hold what publishing locks, shard after shard,
-- and wait for what publishing holds. Publishing lets it in again.
create or replace function billing.open_shard(
    p_run_id bigint, p_shard integer, out stage_table text, out epoch bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform billing.open_stage(p_run_id);
    epoch := billing.raise_fence(format('run %s shard %s', p_run_id, p_shard));
    stage_table := format('run_%s_shard_%s_try_%s', p_run_id, p_shard, epoch);
    execute format('create table staging.%I (like staging.%I including defaults including constraints)
                    with (autovacuum_enabled = false)', stage_table, 'run_' || p_run_id);
    execute format('grant select, insert on staging.%I to evbilling_writer', stage_table);
end
$$;

-- As before, with the new order of keys.
create or replace function billing.close_shard(
    p_run_id bigint, p_shard integer, p_epoch bigint, p_rows bigint, p_summary_uri text, p_summary_sha256 text)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_table text := format('run_%s_shard_%s_try_%s', p_run_id, p_shard, p_epoch);
    v_earlier text;
    v_count bigint;
    v_shards integer;
begin
    perform billing.hold_fence(format('run %s shard %s', p_run_id, p_shard), p_epoch);
    execute format('revoke insert on staging.%I from evbilling_writer', v_table);
    execute format('select count(*) from staging.%I', v_table) into v_count;
    if v_count <> p_rows then
        raise exception 'shard % of run % holds % rows, % were written', p_shard, p_run_id, v_count, p_rows
            using errcode = 'EV003', hint = 'the staging table was changed or emptied; clear this task to try again';
    end if;
    execute format('alter table staging.%I add primary key (account_id, charger_id, connector_id, period)', v_table);
    execute format('create unique index on staging.%I (charger_id, connector_id, period) where rule_id is null', v_table);
    select shard_count into strict v_shards from billing.run where run_id = p_run_id;
    select stage_table into v_earlier from billing.run_shard where run_id = p_run_id and shard = p_shard;
    if v_earlier is not null and to_regclass('staging.' || quote_ident(v_earlier)) is not null then
        execute format('drop table staging.%I', v_earlier);
    end if;
    execute format('alter table staging.%I attach partition staging.%I for values with (modulus %s, remainder %s)',
                   'run_' || p_run_id, v_table, v_shards, p_shard);
    update billing.run_shard
    set stage_table = v_table, staged_rows = p_rows, summary_uri = p_summary_uri, summary_sha256 = p_summary_sha256
    where run_id = p_run_id and shard = p_shard;
    execute format('analyze staging.%I', v_table);
end
$$;

-- As before, but the shards' records follow, so that publishing needn't count.
create or replace function billing.settle_stage(p_run_id bigint, p_quarantined text[], p_nothing_owed text[], p_rule_id text)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_stage text := 'run_' || p_run_id;
    v_period text;
begin
    -- The key begins with the account, so a few are found among millions of rows.
    select period into strict v_period from billing.run where run_id = p_run_id;
    if cardinality(p_quarantined) > 0 then
        execute format('with gone as (
                            delete from staging.%I where account_id = any($2) and period = $1 returning tableoid)
                        update billing.run_shard s set staged_rows = staged_rows - g.decisions
                        from (select c.relname, count(*) as decisions from gone join pg_class c on c.oid = gone.tableoid
                              group by 1) g
                        where s.run_id = $3 and s.stage_table = g.relname', v_stage)
        using v_period, p_quarantined, p_run_id;
    end if;
    if cardinality(p_nothing_owed) > 0 then
        execute format('update staging.%I set rule_id = $3, unit_price_minor = null
                        where period = $1 and account_id = any($2) and rule_id is null', v_stage)
        using v_period, p_nothing_owed, p_rule_id;
    end if;
end
$$;

-- As before, but the decisions of a first issue are those on record, not counted again while others wait.
create or replace function billing.publish_connector_statements(
    p_run_id bigint, p_epoch bigint, p_actor text, p_reason text,
    out statements integer, out decisions bigint, out unbilled integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_stage text := 'run_' || p_run_id;
    v_period text;
    v_version text;
    v_last integer;
    v_leaf record;
    v_resolved integer;
begin
    select period, code_version into strict v_period, v_version from billing.run where run_id = p_run_id;
    perform billing.hold_fence('issue ' || v_period, p_epoch);

    if not exists (select from billing.connector_decision where period = v_period) then
        select coalesce(sum(staged_rows), 0) into decisions from billing.run_shard where run_id = p_run_id;
        execute format('select count(*) from (select from staging.%I limit 1) any_row', v_stage) into v_last;
        if v_last > 0 then
            if to_regclass('billing.connector_decision_' || replace(v_period, '-', '_')) is not null then
                execute format('drop table billing.%I', 'connector_decision_' || replace(v_period, '-', '_'));
            end if;
            for v_leaf in
                select c.relname, rs.shard from billing.run_shard rs
                join pg_class c on c.relname = rs.stage_table and c.relnamespace = 'staging'::regnamespace
                where rs.run_id = p_run_id
            loop
                execute format('revoke all on staging.%I from evbilling_writer', v_leaf.relname);
                execute format('grant select on staging.%I to evbilling_writer', v_leaf.relname);
                execute format('alter table staging.%I rename to %I', v_leaf.relname,
                               format('connector_decision_%s_%s', replace(v_period, '-', '_'), v_leaf.shard));
                execute format('alter table staging.%I set schema billing',
                               format('connector_decision_%s_%s', replace(v_period, '-', '_'), v_leaf.shard));
                execute format('alter table billing.%I reset (autovacuum_enabled)',
                               format('connector_decision_%s_%s', replace(v_period, '-', '_'), v_leaf.shard));
                -- Statement triggers aren't inherited: emptying a partition by its own name must be refused there.
                execute format('create trigger decision_is_not_emptied before truncate on billing.%I
                                for each statement execute function billing.refuse_change()',
                               format('connector_decision_%s_%s', replace(v_period, '-', '_'), v_leaf.shard));
            end loop;
            execute format('alter table staging.%I rename to %I', v_stage,
                           'connector_decision_' || replace(v_period, '-', '_'));
            execute format('alter table staging.%I set schema billing',
                           'connector_decision_' || replace(v_period, '-', '_'));
            execute format('alter table billing.connector_decision attach partition billing.%I for values in (%L)',
                           'connector_decision_' || replace(v_period, '-', '_'), v_period);
            execute format('create trigger decision_is_not_emptied before truncate on billing.%I
                            for each statement execute function billing.refuse_change()',
                           'connector_decision_' || replace(v_period, '-', '_'));
        else
            decisions := 0;
        end if;
    else
        -- A re-run: only accounts without a statement, and of these only what differs, so the same truth writes nothing.
        -- Those found unbilled before are among them: one whose billing was switched off since has no decisions any more.
        execute format(
            'with open_account as (
                 select account_id from staging.%1$I union select account_id from staging.%2$I
                 union select account_id from billing.unbilled_account where period = %3$L
                 except select account_id from billing.statement where kind = ''connector'' and period = %3$L),
             gone as (
                 delete from billing.connector_decision p using open_account o
                 where p.period = %3$L and p.account_id = o.account_id
                   and not exists (
                       select from staging.%4$I s where s.period = p.period and s.account_id = p.account_id
                         and s.charger_id = p.charger_id and s.connector_id = p.connector_id
                         and (s.power_type, s.rule_id, s.unit_price_minor)
                             is not distinct from (p.power_type, p.rule_id, p.unit_price_minor))
                 returning 1)
             select count(*) from gone',
            v_stage || '_statement', v_stage || '_unbilled', v_period, v_stage) into decisions;
        execute format(
            'with open_account as (
                 select account_id from staging.%1$I union select account_id from staging.%2$I
                 union select account_id from billing.unbilled_account where period = %3$L
                 except select account_id from billing.statement where kind = ''connector'' and period = %3$L),
             added as (
                 insert into billing.connector_decision
                     (period, account_id, charger_id, connector_id, power_type, rule_id, unit_price_minor)
                 select s.period, s.account_id, s.charger_id, s.connector_id, s.power_type, s.rule_id, s.unit_price_minor
                 from staging.%4$I s join open_account o on o.account_id = s.account_id
                 where not exists (
                     select from billing.connector_decision p
                     where p.period = s.period and p.account_id = s.account_id and p.charger_id = s.charger_id
                       and p.connector_id = s.connector_id)
                 returning 1)
             select count(*) + $1 from added',
            v_stage || '_statement', v_stage || '_unbilled', v_period, v_stage) into decisions using decisions;
    end if;

    insert into billing.statement_counter (kind, period, last_number) values ('connector', v_period, 0)
    on conflict do nothing;
    select last_number into v_last from billing.statement_counter
    where kind = 'connector' and period = v_period for update;
    execute format(
        'insert into billing.statement (
             statement_id, kind, period, account_id, number, run_id, account_name, financial_admin_id, time_zone,
             count_instant, statement_date, currency, minor_unit, setting_id, fee_minor, dc_fee_minor, exclude_closed,
             exclude_private, tax_rate, ac_count, dc_count, net_minor, tax_minor, total_minor, code_version)
         select ''A-'' || replace(%2$L, ''-'', '''') || ''-'' || lpad(n::text, greatest(6, length(n::text)), ''0''),
                ''connector'', %2$L, account_id, n, %3$s, account_name, financial_admin_id, time_zone,
                count_instant, (%2$L || ''-01'')::date, currency, minor_unit, setting_id, fee_minor, dc_fee_minor,
                exclude_closed, exclude_private, tax_rate, ac_count, dc_count, net_minor, tax_minor, total_minor, %4$L
         from (select d.*, $1 + row_number() over (order by d.account_id collate "C") as n
               from staging.%1$I d
               where not exists (select from billing.statement s where s.kind = ''connector'' and s.period = %2$L
                                   and s.account_id = d.account_id)) numbered',
        v_stage || '_statement', v_period, p_run_id, v_version) using v_last;
    get diagnostics statements = row_count;
    update billing.statement_counter set last_number = v_last + statements
    where kind = 'connector' and period = v_period and statements > 0;

    execute format(
        'insert into billing.unbilled_account as u (period, account_id, reason_id, detail, is_quarantined,
             expected_connector_count, expected_amount, currency, run_id)
         select %2$L, account_id, reason_id, detail, is_quarantined, expected_connector_count, expected_amount,
                currency, %3$s
         from staging.%1$I d
         where not exists (select from billing.statement s where s.kind = ''connector'' and s.period = %2$L
                             and s.account_id = d.account_id)
         on conflict (period, account_id, reason_id) do update
         set detail = excluded.detail, is_quarantined = excluded.is_quarantined,
             expected_connector_count = excluded.expected_connector_count,
             expected_amount = excluded.expected_amount, currency = excluded.currency, run_id = excluded.run_id,
             resolved_by_run_id = null
         where (u.detail, u.expected_connector_count, u.expected_amount, u.currency, u.resolved_by_run_id)
               is distinct from (excluded.detail, excluded.expected_connector_count, excluded.expected_amount,
                                 excluded.currency, null)',
        v_stage || '_unbilled', v_period, p_run_id);
    get diagnostics unbilled = row_count;
    execute format(
        'update billing.unbilled_account u set resolved_by_run_id = %3$s
         where u.period = %2$L and u.resolved_by_run_id is null
           and not exists (select from staging.%1$I d where d.account_id = u.account_id and d.reason_id = u.reason_id)',
        v_stage || '_unbilled', v_period, p_run_id);
    get diagnostics v_resolved = row_count;
    unbilled := unbilled + v_resolved;

    if statements > 0 or decisions > 0 or unbilled > 0 then
        insert into billing.audit_event (actor, action, subject_id, reason, run_id)
        values (p_actor, 'issue_connector_statements', v_period, p_reason, p_run_id);
    end if;
end
$$;

revoke execute on all functions in schema billing from public;
