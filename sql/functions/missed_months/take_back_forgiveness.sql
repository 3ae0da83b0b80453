-- Takes back that an account's month is forgiven, so that it is missed again and may be billed. Refuses with EV004 if
-- it isn't forgiven.
-- requires: functions/missed_months/forgiven_in.sql
create or replace function billing.take_back_forgiveness(
    p_account_id text, p_period text, p_actor text, p_reason text)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if coalesce(trim(p_actor), '') = '' or coalesce(trim(p_reason), '') = '' then
        raise exception 'forgiving is taken back with who and why' using errcode = 'EV004';
    end if;
    perform billing.lock_months(array[p_period]);
    if not exists (select from billing.forgiven_in(p_period) f where f.account_id = p_account_id) then
        raise exception '% of % isn''t forgiven', p_period, p_account_id
            using errcode = 'EV004', hint = 'look at the account''s page';
    end if;
    insert into billing.forgiveness (period, account_id, is_forgiven, actor, reason)
    values (p_period, p_account_id, false, p_actor, p_reason);
    insert into billing.audit_event (actor, action, subject_id, reason)
    values (p_actor, 'take_back_forgiveness', p_account_id || ' ' || p_period, p_reason);
end
$$;
