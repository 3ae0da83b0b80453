-- Publishing without writing: a month's first statements and their postings are numbered, checked and keyed in staging,
-- and publishing attaches them as partitions. For the DAGs; finance sees no difference. Statements and ledger are
-- partitioned by the range of statement ids, which begin with kind and period: all that names a statement by its id still
-- does so, and foreign keys stay. Rewrites both tables. Measured in docs/decisions/0015.

-- The rewritten tables take the names; views and functions that are bound to the old ones follow below, in place, so
-- that whatever finance has built on its views stands.
create temporary table bound_view on commit drop as
select c.oid, n.nspname, c.relname, pg_get_viewdef(c.oid) as definition,
       coalesce('with (' || array_to_string(c.reloptions, ', ') || ')', '') as options
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'v' and n.nspname in ('billing', 'finance');
alter table billing.correction_line drop constraint correction_line_correction_id_fkey;
alter table billing.payment_attempt drop constraint payment_attempt_statement_id_fkey;
alter table billing.paid_outside drop constraint paid_outside_statement_id_fkey;
alter table billing.payment_plan drop constraint payment_plan_statement_id_fkey;
alter table billing.statement rename to statement_before;
alter table billing.statement_before
    drop constraint one_statement_per_kind_account_period_revision,
    drop constraint one_statement_per_number;
alter table billing.statement_before rename constraint statement_pkey to statement_before_pkey;
drop index billing.statement_corrections;
alter table billing.transfer rename to transfer_before;
alter table billing.transfer_before rename constraint posted_once_at_issue to transfer_before_pkey;
drop index billing.correction_posted_once, billing.attempt_posted_once, billing.paid_outside_posted_once;

create table billing.statement (
    like billing.statement_before including defaults including constraints including comments,
    primary key (statement_id)
) partition by range (statement_id);
comment on table billing.statement is 'One row per issued statement; a partition per period of connector statements';
create index statement_corrections on billing.statement (corrects_statement_id) where corrects_statement_id is not null;

create table billing.transfer (
    like billing.transfer_before including defaults including constraints including generated including identity
        including comments,
    constraint posted_once_at_issue primary key (statement_id, entry)
) partition by range (statement_id);
comment on table billing.transfer is 'One row per movement of money between two ledger accounts, for one statement';

-- Account statements and corrections: S and C come after the A of connector statements, in every collation. What must
-- be unique is so in each partition, and since a partition has one kind and period, or has all of the others, in all.
create table billing.statement_other partition of billing.statement (
    constraint statement_of_other_kind check (kind <> 'connector'),
    constraint one_statement_per_kind_account_period_revision unique (account_id, period, kind, revision),
    constraint one_statement_per_number unique (period, kind, number)
) for values from ('B') to (maxvalue);

-- A payment is posted once, and for the statement that it was made for.
create unique index correction_posted_once on billing.transfer (statement_id, correction_id, kind)
    where correction_id is not null;
create unique index attempt_posted_once on billing.transfer (statement_id, attempt_id) where attempt_id is not null;
create unique index paid_outside_posted_once on billing.transfer (statement_id, paid_outside_id)
    where paid_outside_id is not null;
alter table billing.payment_attempt add constraint attempt_of_statement unique (attempt_id, statement_id);
alter table billing.paid_outside add constraint paid_outside_of_statement unique (paid_outside_id, statement_id);
alter table billing.transfer
    add foreign key (attempt_id, statement_id) references billing.payment_attempt (attempt_id, statement_id),
    add foreign key (paid_outside_id, statement_id) references billing.paid_outside (paid_outside_id, statement_id);

-- The tables of a period's connector statements and their transfers, without keys.
create function billing.create_issue_tables(p_schema text, p_statement text, p_transfer text, p_period text)
returns void
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
end
$$;

-- The lowest id of a period's connector statements, or of a period so many months later.
create function billing.statement_range(p_period text, p_months integer) returns text
language sql immutable security definer set search_path = pg_catalog, pg_temp
return 'A-' || to_char((p_period || '-01')::date + p_months * interval '1 month', 'YYYYMM') || '-';

create function billing.key_issue_tables(p_schema text, p_statement text, p_transfer text) returns void
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
    execute format('create unique index on %I.%I (statement_id, correction_id, kind) where correction_id is not null',
                   p_schema, p_transfer);
    execute format('create unique index on %I.%I (statement_id, attempt_id) where attempt_id is not null',
                   p_schema, p_transfer);
    execute format('create unique index on %I.%I (statement_id, paid_outside_id) where paid_outside_id is not null',
                   p_schema, p_transfer);
end
$$;

-- Makes tables of create_issue_tables, keyed, in schema billing, partitions.
create function billing.attach_issue_tables(p_period text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_parent text;
    v_part text;
begin
    foreach v_parent in array array['statement', 'transfer'] loop
        v_part := v_parent || '_' || replace(p_period, '-', '_');
        execute format('alter table billing.%I attach partition billing.%I for values from (%L) to (%L)',
                       v_parent, v_part, billing.statement_range(p_period, 0), billing.statement_range(p_period, 1));
        perform billing.guard_part(v_parent, v_part);
    end loop;
end
$$;

-- Triggers of whole statements aren't inherited: what a partition is told by its own name must be met there.
create function billing.guard_part(p_parent text, p_part text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_trigger record;
begin
    execute format('create trigger %I before truncate on billing.%I for each statement
                    execute function billing.refuse_change()', p_parent || '_is_not_emptied', p_part);
    if p_parent = 'statement' then
        for v_trigger in
            select * from (values ('statement_names_run_and_setting', 'require_run_and_setting'),
                                  ('statement_posts_itself', 'post_issued'),
                                  ('statement_waits_for_charges', 'refuse_correction_under_way')) t (name, function)
        loop
            execute format('create trigger %I after insert on billing.%I referencing new table as issued
                            for each statement execute function billing.%I()', v_trigger.name, p_part,
                           v_trigger.function);
        end loop;
    end if;
end
$$;

-- Makes a period ready for connector statements one by one; nothing if it is.
create function billing.open_period(p_period text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_suffix text := replace(p_period, '-', '_');
begin
    if to_regclass('billing.statement_' || v_suffix) is null then
        perform billing.create_issue_tables('billing', 'statement_' || v_suffix, 'transfer_' || v_suffix, p_period);
        perform billing.key_issue_tables('billing', 'statement_' || v_suffix, 'transfer_' || v_suffix);
        perform billing.attach_issue_tables(p_period);
    end if;
end
$$;

select billing.guard_part('statement', 'statement_other');
select billing.open_period(period)
from (select distinct period::text from billing.statement_before where kind = 'connector') p order by period;
insert into billing.statement select * from billing.statement_before order by statement_id;
do $$
declare
    -- All columns but the generated one.
    v_columns text := (select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
                       where attrelid = 'billing.transfer'::regclass and attnum > 0 and attgenerated = '');
begin
    execute format('insert into billing.transfer (%1$s) overriding system value
                    select %1$s from billing.transfer_before order by statement_id, entry', v_columns);
end
$$;
select setval(pg_get_serial_sequence('billing.transfer', 'transfer_id'), coalesce(max(transfer_id), 0) + 1, false)
from billing.transfer;

alter table billing.correction_line add foreign key (correction_id) references billing.statement;
alter table billing.payment_attempt add foreign key (statement_id) references billing.statement;
alter table billing.paid_outside add foreign key (statement_id) references billing.statement;
alter table billing.payment_plan add foreign key (statement_id) references billing.statement;

create trigger statement_is_immutable before update or delete on billing.statement
    for each row execute function billing.refuse_change();
create trigger statement_is_not_emptied before truncate on billing.statement
    for each statement execute function billing.refuse_change();
create trigger statement_names_run_and_setting after insert on billing.statement
    referencing new table as issued for each statement execute function billing.require_run_and_setting();
create trigger statement_posts_itself after insert on billing.statement
    referencing new table as issued for each statement execute function billing.post_issued();
create trigger statement_waits_for_charges after insert on billing.statement
    referencing new table as issued for each statement execute function billing.refuse_correction_under_way();
create trigger transfer_is_immutable before update or delete on billing.transfer
    for each row execute function billing.refuse_change();
create trigger transfer_is_not_emptied before truncate on billing.transfer
    for each statement execute function billing.refuse_change();
create trigger payment_is_within_the_balance after insert on billing.transfer
    for each row when (new.kind in ('payment', 'paid_outside')) execute function billing.refuse_overpayment();
grant select on billing.statement, billing.transfer to evbilling_writer;

create or replace function billing.balance_minor(p_statement_id text) returns bigint
language sql stable
return (
    select sum(case when debit_account = 'receivable' then amount_minor else -amount_minor end)::bigint
    from billing.transfer where statement_id = p_statement_id
);
do $$
declare
    v_view record;
begin
    for v_view in select * from pg_temp.bound_view order by oid loop
        execute format('create or replace view %I.%I %s as %s', v_view.nspname, v_view.relname, v_view.options,
                       v_view.definition);
    end loop;
end
$$;
drop table billing.transfer_before, billing.statement_before;
analyze only billing.statement;
analyze only billing.transfer;

-- Puts a run's drafts into the form in which they are published, numbers and postings included, with all constraints
-- and keys. Only for a period without statements; otherwise its drafts are published one by one. The caller holds the
-- fence, as it still must when it publishes.
create function billing.number_drafts(p_run_id bigint, p_epoch bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_issue text := 'run_' || p_run_id || '_issue';
    v_posting text := 'run_' || p_run_id || '_posting';
    v_period text;
    v_version text;
    v_table text;
    v_wrong text;
begin
    select period, code_version into strict v_period, v_version from billing.run where run_id = p_run_id;
    perform billing.hold_fence('issue ' || v_period, p_epoch);
    execute format('drop table if exists staging.%I, staging.%I', v_issue, v_posting);
    if to_regclass('billing.statement_' || replace(v_period, '-', '_')) is not null then
        return;
    end if;
    perform billing.create_issue_tables('staging', v_issue, v_posting, v_period);
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
        'run_' || p_run_id || '_statement', v_period, p_run_id, v_version, v_issue);
    execute format(
        'select min(i.setting_id) from staging.%I i left join billing.account_setting s on s.setting_id = i.setting_id
         where s.setting_id is null', v_issue) into v_wrong;
    if v_wrong is not null then
        raise exception 'a draft of run % names setting %, which doesn''t exist', p_run_id, v_wrong
            using errcode = 'foreign_key_violation';
    end if;
    -- As post_issued() does it. Numbers of transfers are the ledger's own.
    execute format(
        'insert into staging.%1$I (
             transfer_id, kind, statement_id, debit_account, credit_account, amount_minor, currency)
         select nextval(%3$L), t.kind, i.statement_id, ''receivable'', t.account, t.minor, i.currency
         from staging.%2$I i
         cross join lateral (values (''issue'', ''revenue'', i.net_minor), (''tax'', ''tax'', i.tax_minor))
             t (kind, account, minor)
         where t.minor <> 0',
        v_posting, v_issue, pg_get_serial_sequence('billing.transfer', 'transfer_id'));
    perform billing.key_issue_tables('staging', v_issue, v_posting);
    foreach v_table in array array[v_issue, v_posting] loop
        -- Autovacuum would hold what publishing locks.
        execute format('alter table staging.%I set (autovacuum_enabled = false)', v_table);
        execute format('analyze staging.%I', v_table);
        execute format('grant select on staging.%I to evbilling_writer', v_table);
    end loop;
end
$$;

-- As before, but the table is made by whoever fills it, below: rows that are copied into a table of their own transaction
-- are frozen from the start, so that neither keys nor counts have to look up who wrote them.
create or replace function billing.open_shard(
    p_run_id bigint, p_shard integer, out stage_table text, out epoch bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform billing.open_stage(p_run_id);
    epoch := billing.raise_fence(format('run %s shard %s', p_run_id, p_shard));
    stage_table := format('run_%s_shard_%s_try_%s', p_run_id, p_shard, epoch);
end
$$;

-- Makes the empty table of a try that open_shard() gave this epoch; fails if it is there. Autovacuum stays away from it
-- until it is published. No fence is held: whoever is paused here holds up nobody, and close_shard() refuses the late.
create function billing.make_shard_table(p_run_id bigint, p_shard integer, p_epoch bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_table text := format('run_%s_shard_%s_try_%s', p_run_id, p_shard, p_epoch);
begin
    execute format('create table staging.%I (like staging.%I including defaults including constraints)
                    with (autovacuum_enabled = false)', v_table, 'run_' || p_run_id);
    execute format('grant select, insert on staging.%I to evbilling_writer', v_table);
end
$$;

-- What plans go by for statements and ledger as a whole: autovacuum only ever looks at single partitions.
create function billing.sample_statements() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    analyze only billing.statement (statement_id, kind, period, account_id, currency, corrects_statement_id);
    analyze only billing.transfer (statement_id, kind, correction_id, attempt_id, paid_outside_id);
end
$$;

-- As before, but a period's first statements are attached as they lie numbered.
create or replace function billing.publish_connector_statements(
    p_run_id bigint, p_epoch bigint, p_actor text, p_reason text,
    out statements integer, out decisions bigint, out unbilled integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_stage text := 'run_' || p_run_id;
    v_period text;
    v_suffix text;
    v_version text;
    v_last integer;
    v_leaf record;
    v_resolved integer;
begin
    select period, code_version into strict v_period, v_version from billing.run where run_id = p_run_id;
    v_suffix := replace(v_period, '-', '_');
    perform billing.hold_fence('issue ' || v_period, p_epoch);

    if not exists (select from billing.connector_decision where period = v_period) then
        select coalesce(sum(staged_rows), 0) into decisions from billing.run_shard where run_id = p_run_id;
        execute format('select count(*) from (select from staging.%I limit 1) any_row', v_stage) into v_last;
        if v_last > 0 then
            if to_regclass('billing.connector_decision_' || v_suffix) is not null then
                execute format('drop table billing.%I', 'connector_decision_' || v_suffix);
            end if;
            for v_leaf in
                select c.relname, rs.shard from billing.run_shard rs
                join pg_class c on c.relname = rs.stage_table and c.relnamespace = 'staging'::regnamespace
                where rs.run_id = p_run_id
            loop
                execute format('revoke all on staging.%I from evbilling_writer', v_leaf.relname);
                execute format('grant select on staging.%I to evbilling_writer', v_leaf.relname);
                execute format('alter table staging.%I rename to %I', v_leaf.relname,
                               format('connector_decision_%s_%s', v_suffix, v_leaf.shard));
                execute format('alter table staging.%I set schema billing',
                               format('connector_decision_%s_%s', v_suffix, v_leaf.shard));
                execute format('alter table billing.%I reset (autovacuum_enabled)',
                               format('connector_decision_%s_%s', v_suffix, v_leaf.shard));
                -- Statement triggers aren't inherited: emptying a partition by its own name must be refused there.
                execute format('create trigger decision_is_not_emptied before truncate on billing.%I
                                for each statement execute function billing.refuse_change()',
                               format('connector_decision_%s_%s', v_suffix, v_leaf.shard));
            end loop;
            execute format('alter table staging.%I rename to %I', v_stage,
                           'connector_decision_' || v_suffix);
            execute format('alter table staging.%I set schema billing',
                           'connector_decision_' || v_suffix);
            execute format('alter table billing.connector_decision attach partition billing.%I for values in (%L)',
                           'connector_decision_' || v_suffix, v_period);
            execute format('create trigger decision_is_not_emptied before truncate on billing.%I
                            for each statement execute function billing.refuse_change()',
                           'connector_decision_' || v_suffix);
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
    if to_regclass('billing.statement_' || v_suffix) is null
       and to_regclass('staging.' || v_stage || '_issue') is not null then
        execute format('select count(*) from staging.%I', v_stage || '_issue') into statements;
        if statements > 0 then
            for v_leaf in
                select * from (values (v_stage || '_issue', 'statement_' || v_suffix),
                                      (v_stage || '_posting', 'transfer_' || v_suffix)) t (staged, issued)
            loop
                execute format('alter table staging.%I rename to %I', v_leaf.staged, v_leaf.issued);
                execute format('alter table staging.%I set schema billing', v_leaf.issued);
                execute format('alter table billing.%I reset (autovacuum_enabled)', v_leaf.issued);
            end loop;
            for v_leaf in
                select c.conname, regexp_replace(c.conname, 'run_[0-9]+_issue$', 'statement_' || v_suffix) as issued
                from pg_constraint c
                where c.conrelid = ('billing.statement_' || v_suffix)::regclass and c.conname ~ 'run_[0-9]+_issue$'
            loop
                execute format('alter table billing.%I rename constraint %I to %I', 'statement_' || v_suffix,
                               v_leaf.conname, v_leaf.issued);
            end loop;
            perform billing.attach_issue_tables(v_period);
        end if;
    else
        execute format('select billing.open_period(%L) where exists (select from staging.%I)', v_period,
                       v_stage || '_statement');
        execute format(
            'insert into billing.statement (
                 statement_id, kind, period, account_id, number, run_id, account_name, financial_admin_id, time_zone,
                 count_instant, statement_date, currency, minor_unit, setting_id, fee_minor, dc_fee_minor,
                 exclude_closed, exclude_private, tax_rate, ac_count, dc_count, net_minor, tax_minor, total_minor, code_version)
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
    end if;
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
grant execute on function billing.make_shard_table(bigint, integer, bigint), billing.number_drafts(bigint, bigint),
    billing.sample_statements() to evbilling_writer;
