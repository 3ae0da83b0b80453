-- The approval policy of a period: the latest that is effective by then, and of several with the same effective_from
-- the last recorded; of those recorded by `p_by` alone. All columns are null if there is none.
create or replace function billing.policy_in_force(p_period text, p_by timestamptz default 'infinity')
returns billing.approval_policy
language sql stable as $$
    select * from billing.approval_policy
    where effective_from <= p_period and recorded_at <= p_by
    order by effective_from desc, policy_id desc limit 1
$$;
