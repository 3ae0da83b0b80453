-- Today's date in a time zone. In UTC where this server doesn't know the zone: statements are immutable, so one whose
-- zone is known elsewhere only must not prevent the corrections of its month.
create or replace function billing.day_in(p_time_zone text) returns date
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    return (now() at time zone p_time_zone)::date;
exception when invalid_parameter_value then
    return (now() at time zone 'UTC')::date;
end
$$;
