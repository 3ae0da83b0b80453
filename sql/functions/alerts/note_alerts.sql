-- Opens an alert for each cause that has none open. p_alerts: [{"cause", "title"}].
create or replace function billing.note_alerts(p_alerts jsonb) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform billing.take_lock('alerts');
    insert into billing.alert (cause, title)
    select a.cause, a.title
    from jsonb_to_recordset(p_alerts) as a (cause text, title text)
    on conflict (cause) where ended_at is null do nothing;
end
$$;
