-- Waits for what is being issued of these months, and keeps them from being issued until the transaction ends. It takes
-- the row that publish_connector_statements() holds while it publishes.
create or replace function billing.lock_months(p_periods text[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into billing.fence (scope, epoch)
    select distinct 'issue ' || period, 0 from unnest(p_periods) period order by 1
    on conflict do nothing;
    perform from billing.fence where scope in (select 'issue ' || period from unnest(p_periods) period)
    order by scope for update;
end
$$;
