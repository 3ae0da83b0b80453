-- Records a run's outcome, in the transaction that publishes: `issued` if that has written something, otherwise
-- `unchanged` or `differs`. An older run of the same DAG and period that is still open was cut off or overtaken: it
-- becomes superseded, and if it does continue, it finds everything published.
create or replace function billing.settle_run(p_run_id bigint, p_state text, p_facts jsonb, p_differences jsonb)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_run billing.run;
    v_has_published boolean;
begin
    v_run := billing.lock_open_run(p_run_id);
    -- What is published is in the audit: by the period, or a correction by its own id.
    v_has_published := exists (
        select from billing.audit_event where subject_id = v_run.period and run_id = p_run_id
    ) or exists (
        select from billing.statement
        where kind = 'correction' and period = v_run.period and run_id = p_run_id
    );
    if (p_state in ('issued', 'unchanged', 'differs') and (p_state = 'issued') = v_has_published)
       is distinct from true then
        raise exception 'run % of % can''t end as %: it has published %', p_run_id, v_run.period, p_state,
            case when v_has_published then 'something' else 'nothing' end using errcode = 'EV004';
    end if;
    update billing.run
    set state = p_state, facts = facts || p_facts, differences = p_differences, failure = null, settled_at = now()
    where run_id = p_run_id;
    update billing.run set state = 'superseded'
    where (period, dag_id) = (v_run.period, v_run.dag_id) and run_id < p_run_id and state = 'open';
end
$$;
