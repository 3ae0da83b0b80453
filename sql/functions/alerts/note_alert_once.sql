-- Opens an alert that is sent once and doesn't end, unless there is one of this cause already.
create or replace function billing.note_alert_once(p_cause text, p_title text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform billing.take_lock('alerts');
    insert into billing.alert (cause, title, is_once) values (p_cause, p_title, true)
    on conflict (cause) where ended_at is null do nothing;
end
$$;
