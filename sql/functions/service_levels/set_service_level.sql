-- Records from which day on a service level is due when, or isn't expected (null). The audit has who and why.
create or replace function billing.set_service_level(
    p_service_level text, p_effective_from date, p_due_after interval, p_actor text, p_reason text)
returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into billing.service_level_policy
        (service_level, effective_from, due_after, is_expected, actor, reason)
    values (p_service_level, p_effective_from, coalesce(p_due_after, interval '0'), p_due_after is not null, p_actor,
            p_reason);
    insert into billing.audit_event (actor, action, subject_id, reason)
    values (p_actor, 'service_level_changed', p_service_level,
            coalesce('due after ' || p_due_after, 'not expected') || ' from ' || p_effective_from || ': ' || p_reason);
end
$$;
