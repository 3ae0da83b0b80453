-- Without its decisions a period can't be compared with the present truth, and a new run would publish it as if for the
-- first time. Steps refuse it when they begin; this refuses those that had begun before it was archived.
create or replace function billing.refuse_archived_period() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from billing.archived_period where period = new.period and dropped_at is not null) then
        raise exception '% is archived: its decisions have left the warehouse', new.period
            using errcode = 'EV004', hint = 'correct it in a later period, or by hand';
    end if;
    return new;
end
$$;
