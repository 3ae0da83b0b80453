-- The setting in force of each account in a period: the latest that is effective by then, and of several with the same
-- effective_from the last recorded.
create or replace function billing.settings_in_force(p_period text) returns setof billing.account_setting
language sql stable as $$
    select distinct on (account_id) * from billing.account_setting
    where effective_from <= p_period
    order by account_id, effective_from desc, setting_id desc
$$;
