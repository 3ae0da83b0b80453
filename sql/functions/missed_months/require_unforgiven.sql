-- Fails with EV004 if a plan would issue a statement to an account whose month was forgiven after it was planned. The
-- accounts of a canary that is issued have theirs.
create or replace function billing.require_unforgiven(p_plan billing.plan) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_forgiven record;
begin
    if not exists (select from billing.forgiveness where period = p_plan.period) then
        return;
    end if;
    execute format('select f.account_id, f.actor from billing.forgiven_in(%L) f
                    join staging.%I d on d.account_id = f.account_id order by 1 limit 1',
                   p_plan.period, 'run_' || p_plan.run_id || '_statement') into v_forgiven;
    if v_forgiven.account_id is not null then
        raise exception '% of % was forgiven by % after it was planned, so nothing was issued', p_plan.period,
            v_forgiven.account_id, v_forgiven.actor
            using errcode = 'EV004', hint = 'take that back on the account''s page, or bill the month again without it';
    end if;
end
$$;
