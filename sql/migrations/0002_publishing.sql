-- Owner's functions through which the DAGs stage and publish a month. The writer has no INSERT on decisions or
-- statements: it fills staging tables whose shape and constraints these functions give, and publishes them here.
-- Staging tables of run 12: run_12 (decisions, split by hash), run_12_statement, run_12_unbilled.

-- Raises the epoch of `scope` and returns it; the caller must still hold it when it writes.
create function billing.raise_fence(p_scope text) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
    insert into billing.fence as f (scope, epoch) values (p_scope, 1)
    on conflict (scope) do update set epoch = f.epoch + 1
    returning epoch;
$$;

-- Fails with EV001 if a newer try or run holds `scope`; otherwise keeps others out until the transaction ends.
create function billing.hold_fence(p_scope text, p_epoch bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_epoch bigint;
begin
    select epoch into v_epoch from billing.fence where scope = p_scope for update;
    if v_epoch is distinct from p_epoch then
        raise exception 'a newer try holds %: epoch % is not %', p_scope, p_epoch, v_epoch using errcode = 'EV001';
    end if;
end
$$;

-- Drops the staging tables of one run, if there are any.
create function billing.drop_stage(p_run_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_table regclass;
begin
    -- One at a time: runs of one period drop the same abandoned stage, and shards of one run open the same new one.
    perform pg_advisory_xact_lock(hashtext('evbilling stage'));
    for v_table in
        select c.oid from pg_class c
        where c.relnamespace = 'staging'::regnamespace and c.relkind in ('p', 'r') and not c.relispartition
          and c.relname ~ ('^(run|platform)_' || p_run_id || '(_|$)')
    loop
        execute format('drop table %s', v_table);
    end loop;
end
$$;

-- Makes the staging tables of a run, empty; those of earlier runs of the same period that have ended, or were
-- abandoned a week ago, go.
create function billing.open_stage(p_run_id bigint) returns void
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
    execute format('alter table staging.%I add primary key (period, account_id, charger_id, connector_id)', v_stage);
    execute format('create unique index on staging.%I (period, charger_id, connector_id) where rule_id is null', v_stage);
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

-- Makes an empty table for one try at one shard's decisions; returns its name and the epoch that the try holds.
create function billing.open_shard(p_run_id bigint, p_shard integer, out stage_table text, out epoch bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform billing.open_stage(p_run_id);
    epoch := billing.raise_fence(format('run %s shard %s', p_run_id, p_shard));
    stage_table := format('run_%s_shard_%s_try_%s', p_run_id, p_shard, epoch);
    execute format('create table staging.%I (like staging.%I including defaults including constraints)',
                   stage_table, 'run_' || p_run_id);
    execute format('grant select, insert on staging.%I to evbilling_writer', stage_table);
end
$$;

-- Keys a filled shard and puts it in its place, instead of an earlier try's; the writer can't change it any more.
create function billing.close_shard(
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
    execute format('alter table staging.%I add primary key (period, account_id, charger_id, connector_id)', v_table);
    execute format('create unique index on staging.%I (period, charger_id, connector_id) where rule_id is null', v_table);
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

-- Before a re-run of a published period is settled: a connector that another account was already billed for stays
-- there. Returns the accounts whose staged decisions changed.
create function billing.yield_to_published(p_run_id bigint) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_stage text := 'run_' || p_run_id;
    v_period text;
begin
    select period into strict v_period from billing.run where run_id = p_run_id;
    return query execute format(
        'update staging.%I s set rule_id = ''BILLED-ELSEWHERE'', unit_price_minor = null
         from billing.connector_decision p
         where p.period = %L and p.charger_id = s.charger_id and p.connector_id = s.connector_id
           and p.rule_id is null and s.rule_id is null and p.account_id <> s.account_id
         returning s.account_id', v_stage, v_period);
    return query execute format(
        'update staging.%I s set rule_id = null, unit_price_minor = p.unit_price_minor
         from billing.connector_decision p
         where p.period = %L and p.account_id = s.account_id and p.charger_id = s.charger_id
           and p.connector_id = s.connector_id and p.rule_id is null and s.rule_id = ''BILLED-ELSEWHERE''
         returning s.account_id', v_stage, v_period);
end
$$;

-- Staged decisions of accounts that turn out to be quarantined (their fault lies in another shard) or to owe nothing.
create function billing.settle_stage(p_run_id bigint, p_quarantined text[], p_nothing_owed text[], p_rule_id text)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_stage text := 'run_' || p_run_id;
    v_period text;
begin
    -- The key begins with the period: naming it lets a few accounts be found among millions of rows.
    select period into strict v_period from billing.run where run_id = p_run_id;
    if cardinality(p_quarantined) > 0 then
        execute format('delete from staging.%I where period = $1 and account_id = any($2)', v_stage)
        using v_period, p_quarantined;
    end if;
    if cardinality(p_nothing_owed) > 0 then
        execute format('update staging.%I set rule_id = $3, unit_price_minor = null
                        where period = $1 and account_id = any($2) and rule_id is null', v_stage)
        using v_period, p_nothing_owed, p_rule_id;
    end if;
end
$$;

-- Publishes what a run has staged for accounts without a statement, in the caller's one short transaction:
-- decisions, numbered statements, unbilled accounts, audit. Returns the rows written of each; all 0 = nothing changed.
create function billing.publish_connector_statements(
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
            execute format('select count(*) from staging.%I', v_stage) into decisions;
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
grant execute on all functions in schema billing to evbilling_writer;
