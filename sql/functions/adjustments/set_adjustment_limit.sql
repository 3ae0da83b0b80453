-- Records what one person may adjust alone from now on, on one statement and of one kind, in minor units of a currency.
-- Null: any amount.
create or replace function billing.set_adjustment_limit(
    p_currency text, p_limit_minor bigint, p_minor_unit smallint, p_actor text, p_reason text) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    insert into billing.adjustment_limit (currency, limit_minor, minor_unit, actor, reason)
    values (p_currency, p_limit_minor, p_minor_unit, p_actor, p_reason);
    insert into billing.audit_event (actor, action, subject_id, reason)
    values (p_actor, 'set_adjustment_limit', p_currency, p_reason);
$$;
