-- True if a part of a plan can be issued first: it is of all accounts, and its month has no statement yet.
create or replace function billing.may_have_canary(p_plan billing.plan) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select not exists (select from billing.statement where kind = 'connector' and period = p_plan.period)
       and not exists (select from billing.run where run_id = p_plan.run_id and account_ids is not null)
$$;
