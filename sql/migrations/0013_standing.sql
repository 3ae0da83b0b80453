-- What each statement stands at, kept beside the ledger, so that a page can list, sort and add up a million of them at
-- once. For the page Driver Statements and the month's page; finance sees no difference, as its views stay derived from
-- the ledger. Triggers keep it in the transaction that moves the money. Measured in docs/decisions/0020.

-- Drafts that lie numbered have no standings beside them. Without them a run publishes one by one, with the same
-- statements.
do $$
declare
    v_table text;
begin
    for v_table in
        select c.relname from pg_class c
        where c.relnamespace = 'staging'::regnamespace and c.relkind = 'r' and c.relname ~ '^run_[0-9]+_(issue|posting)$'
    loop
        execute format('drop table staging.%I', v_table);
    end loop;
end
$$;

-- Statuses -------------------------------------------------------------------------------------------------------------

create type billing.statement_status as enum (
    'Issued', 'Billing failure', 'Partly paid', 'Paid', 'Billing failure (resolved)', 'Paid manually');

-- The status of a connector statement: the only place that says so, for finance.statements and the standings. Each word is
-- cast by itself: with one cast around all, Postgres would call this as a function a hundred thousand times a month.
create function billing.status_of(p_balance_minor bigint, p_paid_minor bigint, p_last_way text, p_has_failed boolean)
returns billing.statement_status
language sql immutable parallel safe
return case when p_balance_minor <= 0 and p_last_way = 'paid_outside' then 'Paid manually'::billing.statement_status
            when p_balance_minor <= 0 and p_has_failed then 'Billing failure (resolved)'::billing.statement_status
            when p_balance_minor <= 0 then 'Paid'::billing.statement_status
            when p_paid_minor > 0 then 'Partly paid'::billing.statement_status
            when p_has_failed then 'Billing failure'::billing.statement_status
            else 'Issued'::billing.statement_status end;

-- What accounts are sorted by: their names without regard to case, or their ids where they have none. Cut, so that no
-- name is too long for an index.
create function billing.account_key(p_account_name text, p_account_id text) returns text
language sql immutable parallel safe
return lower(left(coalesce(nullif(p_account_name, ''), p_account_id), 100));

-- An amount in major units, as amounts of all currencies are sorted: 1,000 yen come after 500 euros.
create function billing.major(p_minor bigint, p_minor_unit smallint) returns numeric
language sql immutable parallel safe
return p_minor * (array[1, 0.1, 0.01, 0.001, 0.0001]::numeric[])[p_minor_unit + 1];

create function billing.period_of(p_statement_id text) returns text
language sql immutable parallel safe
return substr(p_statement_id, 3, 4) || '-' || substr(p_statement_id, 7, 2);

-- Tables ---------------------------------------------------------------------------------------------------------------

-- A row per connector statement, built in staging and attached with it. Account statements and corrections have none:
-- they owe nothing by themselves and are `Issued` for good.
create table billing.standing (
    statement_id text not null,
    account_key text collate "C" not null,
    connectors integer not null,
    currency text not null,
    minor_unit smallint not null,
    total_minor bigint not null,
    paid_minor bigint not null default 0,
    balance_minor bigint not null,
    last_way text,
    has_failed boolean not null default false,
    status billing.statement_status not null generated always as (
        billing.status_of(balance_minor, paid_minor, last_way, has_failed)) stored,
    primary key (statement_id)
) partition by range (statement_id);
comment on table billing.standing is 'One row per connector statement: what it stands at now, derived from the ledger';
-- One for each order in which a status's statements are listed, and one for a currency of which there are few.
create index standing_by_id on billing.standing (status, statement_id);
create index standing_by_account on billing.standing (status, account_key, statement_id);
create index standing_by_connectors on billing.standing (status, connectors, statement_id);
create index standing_by_total on billing.standing (status, billing.major(total_minor, minor_unit), statement_id);
create index standing_by_balance on billing.standing (status, billing.major(balance_minor, minor_unit), statement_id);
create index standing_by_currency on billing.standing (status, currency);

-- The same orders for account statements and corrections.
create index statement_other_by_account on billing.statement_other
    (kind, (billing.account_key(account_name, account_id) collate "C"), statement_id);
create index statement_other_by_total on billing.statement_other
    (kind, billing.major(total_minor, minor_unit), statement_id);
create index statement_other_by_currency on billing.statement_other (kind, currency);

-- What the statements come to, by all that the list is filtered by but account and id: the sum of all rows with the same
-- period, kind, currency and status. Whoever moves something adds what changed as rows of their own, so that nobody waits
-- for anybody; now and then they are folded into one.
create table billing.statement_sum (
    sum_id bigint generated always as identity primary key,
    period text not null,
    kind text not null,
    currency text not null,
    minor_unit smallint not null,
    status billing.statement_status not null,
    statements bigint not null,
    connectors bigint not null,
    total_minor numeric not null,
    balance_minor numeric not null,
    is_folded boolean not null default false
);
comment on table billing.statement_sum is
    'Rows to be added up: what statements of a period, kind, currency and status come to';

-- The names under which an account was ever billed, to look for it by.
create table billing.account_name (
    account_id text not null,
    account_name text not null,
    haystack text not null generated always as (lower(account_id || e'\n' || account_name)) stored,
    primary key (account_id, account_name)
);
comment on table billing.account_name is 'One row per account and name on a statement; the name''s first 300 characters';

-- Keeping them ---------------------------------------------------------------------------------------------------------

-- Brings standings up to what ledger and attempts say. Those who move a statement have locked it, and each command here
-- sees what was committed before it began. Returns how many rows changed. Looked up one by one, in the partition of each,
-- however many they are: a million would be read for a thousand otherwise.
create function billing.refresh_standing(p_statements text[]) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_hashjoin = off set enable_mergejoin = off
as $$
declare
    v_changed integer;
begin
    perform billing.lock_statements(p_statements);
    update billing.standing s
    set paid_minor = n.paid_minor, balance_minor = n.balance_minor, last_way = n.last_way, has_failed = n.has_failed
    from (
        select r.statement_id, r.paid_minor, r.balance_minor, r.last_way, f.attempt_id is not null as has_failed
        from unnest(p_statements) as i (statement_id)
        cross join lateral (select * from billing.receivable r where r.statement_id = i.statement_id offset '0') r
        left join lateral (
            select a.attempt_id from billing.payment_attempt a
            where a.statement_id = i.statement_id and a.outcome = 'declined' limit 1) f on true
    ) n
    where s.statement_id = n.statement_id
      and (s.paid_minor, s.balance_minor, s.last_way, s.has_failed)
          is distinct from (n.paid_minor, n.balance_minor, n.last_way, n.has_failed);
    get diagnostics v_changed = row_count;
    return v_changed;
end
$$;

create function billing.move_standing() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    -- What a statement's own issue posts is in its standing from the start.
    v_moved text[] := array(select distinct statement_id from moved where kind not in ('issue', 'tax') order by 1);
begin
    if cardinality(v_moved) > 0 then
        perform billing.refresh_standing(v_moved);
    end if;
    return null;
end
$$;

create function billing.fail_standing() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_failed text[] := array(select distinct statement_id from tried where outcome = 'declined' order by 1);
begin
    if cardinality(v_failed) > 0 then
        perform billing.refresh_standing(v_failed);
    end if;
    return null;
end
$$;
create trigger attempt_fails_standing_at_once after insert on billing.payment_attempt
    referencing new table as tried for each statement execute function billing.fail_standing();
create trigger attempt_fails_standing after update on billing.payment_attempt
    referencing new table as tried for each statement execute function billing.fail_standing();

-- Folds sums. Rows that somebody else is folding are left to them.
create function billing.fold_sums() returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    with gone as (
        delete from billing.statement_sum
        where sum_id in (select sum_id from billing.statement_sum order by sum_id for update skip locked)
        returning *
    )
    insert into billing.statement_sum (
        period, kind, currency, minor_unit, status, statements, connectors, total_minor, balance_minor, is_folded)
    select period, kind, currency, minor_unit, status, sum(statements), sum(connectors), sum(total_minor),
           sum(balance_minor), true
    from gone group by 1, 2, 3, 4, 5
    having sum(statements) <> 0 or sum(connectors) <> 0 or sum(total_minor) <> 0 or sum(balance_minor) <> 0
    order by 1, 2, 3, 5
$$;

-- Some hundred rows at most are there to be added up: about every five hundredth folds them.
create function billing.fold_when_many() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from added where sum_id % 500 = 0 and not is_folded) then
        perform billing.fold_sums();
    end if;
    return null;
end
$$;

create function billing.sum_standing() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if tg_op = 'INSERT' then
        insert into billing.statement_sum (
            period, kind, currency, minor_unit, status, statements, connectors, total_minor, balance_minor)
        select billing.period_of(statement_id), 'connector', currency, minor_unit, status, count(*), sum(connectors),
               sum(total_minor), sum(balance_minor)
        from added group by 1, 3, 4, 5;
    else
        insert into billing.statement_sum (
            period, kind, currency, minor_unit, status, statements, connectors, total_minor, balance_minor)
        select billing.period_of(statement_id), 'connector', currency, minor_unit, status, sum(sign),
               sum(sign * connectors), sum(sign * total_minor), sum(sign * balance_minor)
        from (select 1 as sign, * from added union all select -1, * from gone) changed
        group by 1, 3, 4, 5
        having sum(sign) <> 0 or sum(sign * balance_minor) <> 0;
    end if;
    return null;
end
$$;

-- What statements that are inserted bring to the list. Those of a period that is attached bring it themselves.
create function billing.list_issued() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into billing.standing (
        statement_id, account_key, connectors, currency, minor_unit, total_minor, balance_minor)
    select statement_id, billing.account_key(account_name, account_id), ac_count + dc_count, currency, minor_unit,
           total_minor, total_minor
    from issued where kind = 'connector' order by statement_id;
    insert into billing.statement_sum (
        period, kind, currency, minor_unit, status, statements, connectors, total_minor, balance_minor)
    select period, kind, currency, minor_unit, 'Issued', count(*), 0, sum(total_minor), 0
    from issued where kind <> 'connector' group by 1, 2, 3, 4;
    insert into billing.account_name (account_id, account_name)
    select distinct i.account_id, left(coalesce(i.account_name, ''), 300) from issued i
    where not exists (
        select from billing.account_name n
        where n.account_id = i.account_id and n.account_name = left(coalesce(i.account_name, ''), 300))
    order by 1, 2
    on conflict do nothing;
    return null;
end
$$;

create trigger statement_is_listed after insert on billing.statement
    referencing new table as issued for each statement execute function billing.list_issued();
create trigger statement_is_listed after insert on billing.statement_other
    referencing new table as issued for each statement execute function billing.list_issued();
create trigger transfer_moves_standing after insert on billing.transfer
    referencing new table as moved for each statement execute function billing.move_standing();
create trigger standing_is_summed after insert on billing.standing
    referencing new table as added for each statement execute function billing.sum_standing();
create trigger standing_is_summed_anew after update on billing.standing
    referencing old table as gone new table as added for each statement execute function billing.sum_standing();
create trigger sums_are_folded after insert on billing.statement_sum
    referencing new table as added for each statement execute function billing.fold_when_many();
create trigger standing_stays before delete on billing.standing
    for each row execute function billing.refuse_change();
create trigger standing_is_not_emptied before truncate on billing.standing
    for each statement execute function billing.refuse_change();

-- Publishing -----------------------------------------------------------------------------------------------------------

-- As before, with the period's standings.
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

-- The table of standings that belongs to a table of statements.
create function billing.standing_beside(p_statement text) returns text
language sql immutable security definer set search_path = pg_catalog, pg_temp
return case when p_statement like 'statement%' then 'standing' || substr(p_statement, 10)
            else regexp_replace(p_statement, '_issue$', '_standing') end;

create function billing.key_standings(p_schema text, p_standing text) returns void
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
end
$$;

-- As before, with the standings. They come first: whoever sees a statement sees what it stands at.
create or replace function billing.attach_issue_tables(p_period text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_parent text;
    v_part text;
begin
    foreach v_parent in array array['standing', 'statement', 'transfer'] loop
        v_part := v_parent || '_' || replace(p_period, '-', '_');
        execute format('alter table billing.%I attach partition billing.%I for values from (%L) to (%L)',
                       v_parent, v_part, billing.statement_range(p_period, 0), billing.statement_range(p_period, 1));
        perform billing.guard_part(v_parent, v_part);
    end loop;
end
$$;

-- As before, with what keeps the standings.
create or replace function billing.guard_part(p_parent text, p_part text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_trigger record;
begin
    execute format('create trigger %I before truncate on billing.%I for each statement
                    execute function billing.refuse_change()', p_parent || '_is_not_emptied', p_part);
    for v_trigger in
        select * from (values
            ('statement', 'statement_is_listed', 'insert', 'new table as issued', 'list_issued'),
            ('statement', 'statement_names_run_and_setting', 'insert', 'new table as issued', 'require_run_and_setting'),
            ('statement', 'statement_posts_itself', 'insert', 'new table as issued', 'post_issued'),
            ('statement', 'statement_waits_for_charges', 'insert', 'new table as issued', 'refuse_correction_under_way'),
            ('transfer', 'transfer_moves_standing', 'insert', 'new table as moved', 'move_standing'),
            ('standing', 'standing_is_summed', 'insert', 'new table as added', 'sum_standing'),
            ('standing', 'standing_is_summed_anew', 'update', 'old table as gone new table as added', 'sum_standing')
            ) t (parent, name, event, tables, function)
        where t.parent = p_parent
    loop
        execute format('create trigger %I after %s on billing.%I referencing %s
                        for each statement execute function billing.%I()', v_trigger.name, v_trigger.event, p_part,
                       v_trigger.tables, v_trigger.function);
    end loop;
end
$$;

-- As before, with the standings.
create or replace function billing.open_period(p_period text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_suffix text := replace(p_period, '-', '_');
begin
    if to_regclass('billing.statement_' || v_suffix) is null then
        perform billing.create_issue_tables('billing', 'statement_' || v_suffix, 'transfer_' || v_suffix, p_period);
        perform billing.key_issue_tables('billing', 'statement_' || v_suffix, 'transfer_' || v_suffix);
        perform billing.key_standings('billing', 'standing_' || v_suffix);
        perform billing.attach_issue_tables(p_period);
    end if;
end
$$;

-- As before, with standings, sums and names.
create or replace function billing.number_drafts(p_run_id bigint, p_epoch bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_issue text := 'run_' || p_run_id || '_issue';
    v_posting text := 'run_' || p_run_id || '_posting';
    v_standing text := 'run_' || p_run_id || '_standing';
    v_sum text := 'run_' || p_run_id || '_sum';
    v_period text;
    v_version text;
    v_table text;
    v_wrong text;
begin
    select period, code_version into strict v_period, v_version from billing.run where run_id = p_run_id;
    perform billing.hold_fence('issue ' || v_period, p_epoch);
    execute format('drop table if exists staging.%I, staging.%I, staging.%I, staging.%I', v_issue, v_posting, v_standing,
                   v_sum);
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
    -- As list_issued() does it.
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
    -- Names to look for need no fence: of an account without a statement nothing is found.
    execute format(
        'insert into billing.account_name (account_id, account_name)
         select i.account_id, left(coalesce(i.account_name, ''''), 300) from staging.%I i
         where not exists (
             select from billing.account_name n
             where n.account_id = i.account_id and n.account_name = left(coalesce(i.account_name, ''''), 300))
         order by 1, 2
         on conflict do nothing', v_issue);
    perform billing.key_issue_tables('staging', v_issue, v_posting);
    perform billing.key_standings('staging', v_standing);
    foreach v_table in array array[v_issue, v_posting, v_standing] loop
        -- Autovacuum would hold what publishing locks.
        execute format('alter table staging.%I set (autovacuum_enabled = false)', v_table);
        execute format('analyze staging.%I', v_table);
        execute format('grant select on staging.%I to evbilling_writer', v_table);
    end loop;
end
$$;

-- As before, with the standings of a period's first statements and what they come to.
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
                                      (v_stage || '_posting', 'transfer_' || v_suffix),
                                      (v_stage || '_standing', 'standing_' || v_suffix)) t (staged, issued)
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
            execute format(
                'insert into billing.statement_sum (
                     period, kind, currency, minor_unit, status, statements, connectors, total_minor, balance_minor)
                 select %L, ''connector'', currency, minor_unit, status, statements, connectors, total_minor, balance_minor
                 from staging.%I order by 2, 4', v_period, v_stage || '_sum');
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

-- Looking after it -----------------------------------------------------------------------------------------------------

-- Standings that aren't what the ledger says: none, ever. What is here is put right by billing.refresh_standing, as the
-- owner, once it is known why.
create view billing.standing_difference as
select s.statement_id, s.period::text as period, s.currency, s.minor_unit, r.balance_minor,
       l.balance_minor as listed_balance_minor,
       billing.status_of(r.balance_minor, r.paid_minor, r.last_way, h.has_failed)::text as status,
       l.status::text as listed_status
from billing.statement s
join billing.receivable r on r.statement_id = s.statement_id
cross join lateral (
    select exists (select from billing.payment_attempt a
                   where a.statement_id = s.statement_id and a.outcome = 'declined') as has_failed) h
left join billing.standing l on l.statement_id = s.statement_id
where s.kind = 'connector'
  and ((r.balance_minor, r.paid_minor, r.last_way, h.has_failed, s.total_minor, s.ac_count + s.dc_count, s.currency)
       is distinct from (l.balance_minor, l.paid_minor, l.last_way, l.has_failed, l.total_minor, l.connectors, l.currency)
    or billing.status_of(r.balance_minor, r.paid_minor, r.last_way, h.has_failed) is distinct from l.status);

-- Sums that aren't what the statements come to: none, ever.
create view billing.statement_sum_difference as
select period, kind, currency, minor_unit, status, k.statements as kept_statements, c.statements,
       k.balance_minor as kept_balance_minor, c.balance_minor
from (
    select period, kind, currency, minor_unit, status, sum(statements) as statements, sum(connectors) as connectors,
           sum(total_minor) as total_minor, sum(balance_minor) as balance_minor
    from billing.statement_sum group by 1, 2, 3, 4, 5
    having sum(statements) <> 0 or sum(connectors) <> 0 or sum(total_minor) <> 0 or sum(balance_minor) <> 0) k
full join (
    select s.period::text as period, s.kind, s.currency, s.minor_unit, coalesce(l.status, 'Issued') as status,
           count(*) as statements, coalesce(sum(l.connectors), 0) as connectors, sum(s.total_minor) as total_minor,
           coalesce(sum(l.balance_minor), 0) as balance_minor
    from billing.statement s left join billing.standing l on l.statement_id = s.statement_id
    group by 1, 2, 3, 4, 5) c using (period, kind, currency, minor_unit, status)
where (k.statements, k.connectors, k.total_minor, k.balance_minor)
      is distinct from (c.statements, c.connectors, c.total_minor, c.balance_minor);

-- What is there already ------------------------------------------------------------------------------------------------

do $$
declare
    v_suffix text;
begin
    for v_suffix in
        select substr(c.relname, 11) from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'billing.statement'::regclass and c.relname <> 'statement_other' order by 1
    loop
        execute format('create table billing.%I partition of billing.standing for values from (%L) to (%L)
                        with (fillfactor = 90)', 'standing_' || v_suffix,
                       billing.statement_range(replace(v_suffix, '_', '-'), 0),
                       billing.statement_range(replace(v_suffix, '_', '-'), 1));
        perform billing.guard_part('standing', 'standing_' || v_suffix);
        execute format('create trigger statement_is_listed after insert on billing.%I referencing new table as issued
                        for each statement execute function billing.list_issued()', 'statement_' || v_suffix);
        execute format('create trigger transfer_moves_standing after insert on billing.%I referencing new table as moved
                        for each statement execute function billing.move_standing()', 'transfer_' || v_suffix);
    end loop;
end
$$;
insert into billing.standing (
    statement_id, account_key, connectors, currency, minor_unit, total_minor, paid_minor, balance_minor, last_way,
    has_failed)
select s.statement_id, billing.account_key(s.account_name, s.account_id), s.ac_count + s.dc_count, s.currency,
       s.minor_unit, s.total_minor, r.paid_minor, r.balance_minor, r.last_way,
       exists (select from billing.payment_attempt a where a.statement_id = s.statement_id and a.outcome = 'declined')
from billing.statement s join billing.receivable r on r.statement_id = s.statement_id
where s.kind = 'connector' order by s.statement_id;
insert into billing.statement_sum (
    period, kind, currency, minor_unit, status, statements, connectors, total_minor, balance_minor)
select period, kind, currency, minor_unit, 'Issued', count(*), 0, sum(total_minor), 0
from billing.statement where kind <> 'connector' group by 1, 2, 3, 4;
insert into billing.account_name (account_id, account_name)
select distinct account_id, left(coalesce(account_name, ''), 300) from billing.statement order by 1, 2;
analyze billing.standing;

revoke execute on all functions in schema billing from public;
-- The view finance.statements calls the first; nothing of the schema can be reached by it.
grant execute on function billing.status_of(bigint, bigint, text, boolean) to evbilling_writer, finance_reader;
grant execute on function billing.account_key(text, text), billing.period_of(text), billing.major(bigint, smallint)
    to evbilling_writer;
grant select on billing.standing, billing.statement_sum, billing.account_name, billing.standing_difference,
    billing.statement_sum_difference to evbilling_writer;
