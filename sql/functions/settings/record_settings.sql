-- Adds billing settings, for `evbilling settings` and the Account Billing page. A setting is changed by recording a
-- newer one, so that a past month can always be explained. Rows equal to the latest of the same account and period are
-- left out, so that loading a file twice adds nothing. Each added row gets one audit event. The columns are arrays of
-- equal length; returns the number of rows added.
create or replace function billing.record_settings(
    p_account_ids text[], p_effective_from text[], p_charge_connectors boolean[], p_financial_admin_ids text[],
    p_fees numeric[], p_dc_fees numeric[], p_exclude_closed boolean[], p_exclude_private boolean[],
    p_tax_rates numeric[], p_actor text, p_reason text)
returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_added integer;
    v_id text;
begin
    if coalesce(trim(p_actor), '') = '' or coalesce(trim(p_reason), '') = '' then
        raise exception 'a setting is recorded with who and why' using errcode = 'EV004';
    end if;
    select id into v_id from unnest(p_account_ids || p_financial_admin_ids) id where length(id) > 300 limit 1;
    if found then
        raise exception 'the id % … has % characters; an id has at most 300', left(v_id, 40),
            to_char(length(v_id), 'FM999,999,999')
            using errcode = 'EV004', hint = 'give the id that the platform has';
    end if;
    -- A column of numeric takes NaN, which is greater than any limit.
    if 'NaN' = any (p_fees || p_dc_fees || p_tax_rates) then
        raise exception 'a fee or tax rate is NaN, which is no amount'
            using errcode = 'EV004', hint = 'write it in plain digits, for example 4.50';
    end if;
    if exists (select from unnest(p_fees || p_dc_fees) fee where not (fee between 0 and 1000000))
       or exists (select from unnest(p_tax_rates) rate where not (rate >= 0 and rate < 1)) then
        raise exception 'a fee or tax rate is out of range'
            using errcode = 'EV004', hint = 'a fee is 0 to 1,000,000, a tax rate a fraction below 1';
    end if;
    perform billing.take_lock('settings');
    with given as (
        select * from unnest(
            p_account_ids, p_effective_from, p_charge_connectors, p_financial_admin_ids, p_fees, p_dc_fees,
            p_exclude_closed, p_exclude_private, p_tax_rates) with ordinality as g (
            account_id, effective_from, charge_connectors, financial_admin_id, fee_per_connector, fee_per_dc_connector,
            exclude_closed, exclude_private, tax_rate, place)
    ), latest as (
        select distinct on (s.account_id, s.effective_from) s.*
        from billing.account_setting s join given g using (account_id, effective_from)
        order by s.account_id, s.effective_from, s.setting_id desc
    ), added as (
        insert into billing.account_setting (
            account_id, effective_from, charge_connectors, financial_admin_id, fee_per_connector, fee_per_dc_connector,
            exclude_closed, exclude_private, tax_rate, actor)
        select g.account_id, g.effective_from, g.charge_connectors, g.financial_admin_id, g.fee_per_connector,
               g.fee_per_dc_connector, g.exclude_closed, g.exclude_private, g.tax_rate, p_actor
        from given g left join latest l using (account_id, effective_from)
        where l.setting_id is null
           or (g.charge_connectors, g.financial_admin_id, g.fee_per_connector, g.fee_per_dc_connector,
               g.exclude_closed, g.exclude_private, g.tax_rate)
              is distinct from
              (l.charge_connectors, l.financial_admin_id, l.fee_per_connector, l.fee_per_dc_connector,
               l.exclude_closed, l.exclude_private, l.tax_rate)
        order by g.place
        returning account_id
    )
    insert into billing.audit_event (actor, action, subject_id, reason)
    select p_actor, 'set_account_billing', account_id, p_reason from added;
    get diagnostics v_added = row_count;
    return v_added;
end
$$;
