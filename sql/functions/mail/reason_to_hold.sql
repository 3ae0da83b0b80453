-- Why the mail of a run's statements is held; null if it isn't.
create or replace function billing.reason_to_hold(p_deliver text, p_period text, p_opened_at timestamptz) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp
return case
    when p_deliver = 'no' then 'the run does not send its statements (its Param deliver is no)'
    when p_deliver = 'auto'
         and (p_opened_at at time zone 'UTC')::date
             > (p_period || '-01')::date + interval '1 month - 1 day' + interval '45 days'
        then 'the month had ended more than 45 days before the run; send it by hand if it is still wanted'
end;
