-- Records which account of the books each account of the ledger is, from the next export on; returns the chart's
-- number, or null if it is in force already.
create or replace function billing.record_journal_chart(p_chart text, p_actor text, p_reason text) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_chart_id bigint;
begin
    if coalesce(trim(p_actor), '') = '' or coalesce(trim(p_reason), '') = '' then
        raise exception 'a chart is recorded with who and why' using errcode = 'EV004';
    end if;
    lock table billing.journal_chart in share row exclusive mode;
    if p_chart = (select c.chart from billing.journal_chart c order by c.chart_id desc limit 1) then
        return null;
    end if;
    insert into billing.journal_chart (chart, actor, reason) values (p_chart, p_actor, p_reason)
    returning chart_id into v_chart_id;
    insert into billing.audit_event (actor, action, subject_id, reason)
    values (p_actor, 'journal_chart_changed', 'chart-' || v_chart_id, p_reason);
    return v_chart_id;
end
$$;
