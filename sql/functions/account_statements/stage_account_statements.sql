-- Leaves what remains to be issued, after the withheld accounts were copied in: withheld accounts with something to
-- state, accounts to state, their items only, and their opening balances.
create or replace function billing.stage_account_statements(p_run_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_stage text := 'account_run_' || p_run_id;
begin
    execute format($q$
        delete from staging.%1$I w using staging.%2$I a
        where a.account_id = w.account_id and a.opening_minor = 0
          and not exists (select from staging.%3$I i where i.account_id = w.account_id)
          and not exists (select from staging.%4$I j
                          where j.account_id = w.account_id and (j.fault is not null or j.listed_on is null));
        insert into staging.%5$I (account_id, account_name, financial_admin_id, time_zone, currency, minor_unit)
        select account_id, account_name, financial_admin_id, time_zone, currency, minor_unit
        from staging.%2$I a
        where not exists (select from staging.%1$I w where w.account_id = a.account_id)
          and (opening_minor <> 0 or account_id in (select account_id from staging.%3$I));
        delete from staging.%3$I i using staging.%1$I w where w.account_id = i.account_id;
        insert into staging.%3$I (
            item_kind, item_id, account_id, occurred_at, description, currency, minor_unit, net_minor, tax_minor,
            total_minor, settled_minor)
        select 'opening_balance', coalesce(c.last_statement_id, 'first-of-' || c.account_id), c.account_id, c.opens_at,
               coalesce('Balance of ' || c.last_statement_id, 'Opening balance'), c.currency, c.minor_unit,
               c.opening_minor, 0, c.opening_minor, 0
        from staging.%2$I c join staging.%5$I a on a.account_id = c.account_id;
        analyze staging.%5$I (account_id);
        $q$,
        v_stage || '_withheld', v_stage || '_candidate', v_stage || '_item', v_stage || '_judged', v_stage);
end
$$;
