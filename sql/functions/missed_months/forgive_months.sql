-- Forgives months that accounts have missed: they are never billed, until that is taken back. The columns are arrays of
-- equal length, with what each month would have cost (null: unknown). Refuses them all with EV004 if one isn't missed
-- any more, as when it was issued or forgiven meanwhile. Returns how many were forgiven.
-- requires: functions/missed_months/forgiven_in.sql
create or replace function billing.forgive_months(
    p_account_ids text[], p_periods text[], p_connectors integer[], p_amounts numeric[], p_currencies text[],
    p_basis text, p_actor text, p_reason text)
returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_refused record;
    v_count integer;
begin
    if coalesce(trim(p_actor), '') = '' or coalesce(trim(p_reason), '') = '' then
        raise exception 'a month is forgiven with who and why' using errcode = 'EV004';
    end if;
    perform billing.lock_months(p_periods);
    select g.account_id, g.period, f.actor, s.statement_id, m.period is not null as is_missed into v_refused
    from (select distinct * from unnest(p_account_ids, p_periods) g (account_id, period)) g
    left join lateral (select n.actor from billing.forgiven_in(g.period) n where n.account_id = g.account_id) f on true
    left join billing.statement s on s.kind = 'connector' and s.period = g.period and s.account_id = g.account_id
    left join lateral (select n.period from billing.missed_months_at(now(), g.account_id) n
                       where n.period = g.period) m on true
    where f.actor is not null or m.period is null
    order by g.period, g.account_id limit 1;
    if found then
        raise exception '% of % %, so nothing was forgiven', v_refused.period, v_refused.account_id,
            case when v_refused.actor is not null then 'is forgiven already, by ' || v_refused.actor
                 when v_refused.statement_id is not null then 'is issued as ' || v_refused.statement_id
                 else 'isn''t a missed month' end
            using errcode = 'EV004', hint = 'look at the missed months again, and forgive those that are left';
    end if;
    insert into billing.forgiveness (
        period, account_id, is_forgiven, connectors, amount, currency, basis, actor, reason)
    select distinct on (g.period, g.account_id) g.period, g.account_id, true, g.connectors, g.amount, g.currency,
           p_basis, p_actor, p_reason
    from unnest(p_account_ids, p_periods, p_connectors, p_amounts, p_currencies)
        g (account_id, period, connectors, amount, currency)
    order by g.period, g.account_id;
    get diagnostics v_count = row_count;
    insert into billing.audit_event (actor, action, subject_id, reason)
    select distinct p_actor, 'forgive_month', g.account_id || ' ' || g.period, p_reason
    from unnest(p_account_ids, p_periods) g (account_id, period);
    return v_count;
end
$$;
