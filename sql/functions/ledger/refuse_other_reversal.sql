-- A reversal takes back the whole of a payment that is on record as undone, whoever posts it.
create or replace function billing.refuse_other_reversal() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (
        select from billing.paid_outside p join billing.paid_outside_reversal r using (paid_outside_id)
        where p.paid_outside_id = new.paid_outside_id
          and (p.amount_minor, p.currency) = (new.amount_minor, new.currency)) then
        raise exception 'a reversal of % minor units of paid-outside-%: that payment isn''t undone, or isn''t as much',
            new.amount_minor, new.paid_outside_id
            using errcode = 'EV004', hint = 'a payment is undone whole';
    end if;
    return null;
end
$$;
