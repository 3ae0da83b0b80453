-- Publishes what a run has staged for accounts without a statement, in the caller's one short transaction: decisions,
-- numbered statements, unbilled accounts, audit. Returns the rows written of each; all 0 means that nothing changed.
-- A run of some accounts publishes what these are missing, and leaves all others as they are. Refuses whatever isn't
-- the run's plan, row by row, a plan that isn't approved, and one with an account whose month was forgiven since: that
-- is checked first, before readers could wait for a lock.
--
-- A period's first issue attaches tables that number_drafts() has completed in staging: statements, postings,
-- standings and mail. Nothing is copied. What is published into a period that has statements, by a later run or after
-- a canary, is inserted; triggers post and list it, and its mail is queued when the run is marked as issued. Of a plan
-- with a canary this is the rest: publish_canary() has issued the canary, which is compared with the plan first.
create or replace function billing.publish_connector_statements(
    p_run_id bigint, p_epoch bigint, p_actor text, p_reason text,
    out statements integer, out decisions bigint, out unbilled integer
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_stage text := 'run_' || p_run_id;
    v_period text;
    v_suffix text;
    v_only text[];
    v_table text;
    v_leaf record;
    v_plan billing.plan;
    v_last integer;
    v_resolved integer;
    v_timeout text := current_setting('lock_timeout');
begin
    select period, account_ids into strict v_period, v_only from billing.run where run_id = p_run_id;
    v_suffix := replace(v_period, '-', '_');
    perform billing.hold_fence('issue ' || v_period, p_epoch);
    v_plan := billing.require_plan(p_run_id, p_epoch);
    if exists (select from billing.plan_canary where plan_id = v_plan.plan_id) then
        perform billing.require_approval(v_plan, 'rest');
        perform billing.require_canary(v_plan);
    else
        perform billing.require_approval(v_plan, 'all');
    end if;
    perform billing.require_unforgiven(v_plan);

    -- Decisions.
    if not exists (select from billing.connector_decision where period = v_period) then
        select coalesce(sum(staged_rows), 0) into decisions from billing.run_shard where run_id = p_run_id;
        v_table := 'connector_decision_' || v_suffix;
        execute format('select count(*) from (select from staging.%I limit 1) any_row', v_stage) into v_last;
        if v_last > 0 then
            if to_regclass('billing.' || v_table) is not null then
                -- It waits for sessions that read decisions, and others wait behind it.
                perform set_config('lock_timeout', '10s', true);
                execute format('drop table billing.%I', v_table);
                perform set_config('lock_timeout', v_timeout, true);
            end if;
            for v_leaf in
                select c.relname as staged, format('%s_%s', v_table, rs.shard) as issued from billing.run_shard rs
                join pg_class c on c.relname = rs.stage_table and c.relnamespace = 'staging'::regnamespace
                where rs.run_id = p_run_id
            loop
                execute format('revoke all on staging.%I from evbilling_writer', v_leaf.staged);
                execute format('grant select on staging.%I to evbilling_writer', v_leaf.staged);
                execute format('alter table staging.%I rename to %I', v_leaf.staged, v_leaf.issued);
                execute format('alter table staging.%I set schema billing', v_leaf.issued);
                execute format('alter table billing.%I reset (autovacuum_enabled)', v_leaf.issued);
                -- Partitions don't inherit statement triggers: a truncate that names the partition must be refused
                -- there.
                execute format('create trigger decision_is_not_emptied before truncate on billing.%I
                                for each statement execute function billing.refuse_change()', v_leaf.issued);
            end loop;
            execute format('alter table staging.%I rename to %I', v_stage, v_table);
            execute format('alter table staging.%I set schema billing', v_table);
            execute format('alter table billing.connector_decision attach partition billing.%I for values in (%L)',
                           v_table, v_period);
            execute format('create trigger decision_is_not_emptied before truncate on billing.%I
                            for each statement execute function billing.refuse_change()', v_table);
        else
            decisions := 0;
        end if;
    else
        decisions := billing.add_decisions(p_run_id, null);
    end if;

    -- Statements.
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
            v_table := 'statement_' || v_suffix;
            for v_leaf in
                select c.conname as staged, regexp_replace(c.conname, 'run_[0-9]+_issue$', v_table) as issued
                from pg_constraint c
                where c.conrelid = ('billing.' || v_table)::regclass and c.conname ~ 'run_[0-9]+_issue$'
            loop
                execute format('alter table billing.%I rename constraint %I to %I', v_table, v_leaf.staged, v_leaf.issued);
            end loop;
            perform billing.attach_issue_tables(v_period);
            execute format($q$
                insert into billing.statement_sum (
                    period, kind, currency, minor_unit, status, statements, connectors, total_minor, balance_minor)
                select %L, 'connector', currency, minor_unit, status, statements, connectors, total_minor, balance_minor
                from staging.%I order by 2, 4 $q$, v_period, v_stage || '_sum');
        end if;
    else
        statements := billing.add_statements(p_run_id, v_last, null);
    end if;
    update billing.statement_counter set last_number = v_last + statements
    where kind = 'connector' and period = v_period and statements > 0;

    -- Unbilled accounts: what is new or otherwise, and what is resolved.
    execute format($q$
        insert into billing.unbilled_account as u (period, account_id, reason_id, detail, is_quarantined,
            expected_connector_count, expected_amount, currency, run_id)
        select %2$L, account_id, reason_id, detail, is_quarantined, expected_connector_count, expected_amount,
               currency, %3$s
        from staging.%1$I d
        where not exists (select from billing.statement s where s.kind = 'connector' and s.period = %2$L
                            and s.account_id = d.account_id)
        on conflict (period, account_id, reason_id) do update
        set detail = excluded.detail, is_quarantined = excluded.is_quarantined,
            expected_connector_count = excluded.expected_connector_count,
            expected_amount = excluded.expected_amount, currency = excluded.currency, run_id = excluded.run_id,
            resolved_by_run_id = null
        where (u.detail, u.expected_connector_count, u.expected_amount, u.currency, u.resolved_by_run_id)
              is distinct from (excluded.detail, excluded.expected_connector_count, excluded.expected_amount,
                                excluded.currency, null) $q$,
        v_stage || '_unbilled', v_period, p_run_id);
    get diagnostics unbilled = row_count;
    execute format($q$
        update billing.unbilled_account u set resolved_by_run_id = %3$s
        where u.period = %2$L and u.resolved_by_run_id is null and (%4$L::text[] is null or u.account_id = any(%4$L))
          and not exists (select from staging.%1$I d
                          where d.account_id = u.account_id and d.reason_id = u.reason_id) $q$,
        v_stage || '_unbilled', v_period, p_run_id, v_only);
    get diagnostics v_resolved = row_count;
    unbilled := unbilled + v_resolved;

    update billing.plan set issued_at = now() where plan_id = v_plan.plan_id;
    if statements > 0 or decisions > 0 or unbilled > 0 then
        insert into billing.audit_event (actor, action, subject_id, reason, run_id)
        values (p_actor, 'issue_connector_statements', v_period, p_reason, p_run_id);
    end if;
end
$$;
