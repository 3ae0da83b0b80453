-- Drops a period's decisions from the warehouse, in the caller's one transaction; returns how many. The caller has
-- read `p_files` and found them complete. Fails with EV004 unless they are on record, a run of the period has ended
-- and none is under way, and the table still holds what was copied. Gives up after 10 seconds if a long query of
-- finance holds the table, so that others don't queue behind it.
create or replace function billing.drop_archived(p_period text, p_files jsonb, p_actor text, p_reason text)
returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '10s' as $$
declare
    v_record billing.archived_period;
    v_table text := 'connector_decision_' || replace(p_period, '-', '_');
    v_run billing.run;
    v_sums record;
begin
    -- A run that is about to publish loses its fence.
    perform billing.raise_fence('issue ' || p_period);
    select * into v_record from billing.archived_period where period = p_period for update;
    if v_record.period is null or v_record.files <> p_files then
        raise exception 'the files that were checked aren''t those on record for %', p_period
            using errcode = 'EV004', hint = 'archive the period again';
    elsif v_record.dropped_at is not null then
        raise exception 'the decisions of % were dropped already', p_period
            using errcode = 'EV004', hint = 'nothing is left to do';
    end if;
    select * into v_run from billing.run
    where period = p_period and dag_id in ('connector_statements', 'correct_statements')
      and (state = 'open' or (state in ('issued', 'unchanged', 'differs') and closed_at is null))
    order by run_id desc limit 1;
    if v_run.run_id is not null then
        raise exception 'run % of % (%) hasn''t ended', v_run.run_id, p_period, v_run.dag_id
            using errcode = 'EV004', hint = 'wait for it to end; if it never will, run the period again';
    elsif not exists (select from billing.run where period = p_period and dag_id = 'connector_statements'
                        and state in ('issued', 'unchanged')) then
        raise exception 'no run of % has issued its statements', p_period
            using errcode = 'EV004', hint = 'run the period to its end';
    end if;
    execute format('lock table billing.%I in share mode', v_table);
    select * into v_sums from billing.decision_sums(p_period);
    if (v_sums.decisions, v_sums.billed, v_sums.unit_price_minor, v_sums.digest)
       is distinct from (v_record.decisions, v_record.billed, v_record.unit_price_minor, v_record.digest) then
        raise exception 'the decisions of % have changed since they were copied', p_period
            using errcode = 'EV004', hint = 'archive the period again';
    end if;
    execute format('alter table billing.connector_decision detach partition billing.%I', v_table);
    execute format('drop table billing.%I', v_table);
    update billing.archived_period set dropped_at = now() where period = p_period;
    insert into billing.audit_event (actor, action, subject_id, reason)
    values (p_actor, 'drop_archived_decisions', p_period, p_reason);
    return v_sums.decisions;
end
$$;
