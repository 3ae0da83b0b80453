-- Ends every open alert but those of the causes that last.
create or replace function billing.end_alerts(p_lasting text[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform billing.take_lock('alerts');
    update billing.alert set ended_at = clock_timestamp()
    where ended_at is null and not is_once and cause <> all(p_lasting);
end
$$;
