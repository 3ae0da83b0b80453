-- An event's time and session are the database's own, whoever writes it and whatever they give.
create or replace function billing.stamp_event() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    new.occurred_at := now();
    new.login := session_user;
    new.application := current_setting('application_name');
    return new;
end
$$;
