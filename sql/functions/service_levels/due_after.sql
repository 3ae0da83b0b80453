-- How long after a day's 00:00, or after its beginning, a service level is due by the policy of that day; null if it
-- isn't expected.
create or replace function billing.due_after(p_service_level text, p_day date) returns interval
language sql stable set search_path = pg_catalog, pg_temp as $$
    select case when is_expected then due_after end
    from billing.service_level_policy
    where service_level = p_service_level and effective_from <= p_day
    order by effective_from desc, policy_id desc
    limit 1
$$;
