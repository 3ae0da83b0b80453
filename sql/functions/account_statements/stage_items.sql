-- Adds the candidates' items other than new charges and opening balances: our own records that are on no account
-- statement yet, and what was settled of charges since they were listed.
create or replace function billing.stage_items(p_run_id bigint, p_now timestamptz) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_stage text := 'account_run_' || p_run_id;
    v_period text;
begin
    select period into strict v_period from billing.run where run_id = p_run_id;
    execute format($q$
        insert into staging.%1$I (
            item_kind, item_id, account_id, occurred_at, description, currency, minor_unit, net_minor, tax_minor,
            total_minor, settled_minor)
        select u.item_kind, u.item_id, u.account_id, u.occurred_at, u.description, u.currency, u.minor_unit, u.net_minor,
               u.tax_minor, u.total_minor, 0
        from billing.unstated_item u
        join staging.%2$I a on a.account_id = u.account_id
        where u.period <= %4$L
        union all
        select 'paid_outside', format('settled/%%s/%%s', charge_id, settled_minor), account_id, %5$L::timestamptz,
               'Settled since: ' || listed_description, listed_currency, listed_unit, -increase_minor, 0,
               -increase_minor, 0
        from staging.%3$I where increase_minor > 0;
        analyze staging.%3$I, staging.%1$I (item_kind, item_id, account_id);
        $q$,
        v_stage || '_item', v_stage || '_candidate', v_stage || '_judged', v_period, p_now);
end
$$;
