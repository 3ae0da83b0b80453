-- Keeps the rows to be added up at some hundred: about every five hundredth folds them.
create or replace function billing.fold_when_many() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from added where sum_id % 500 = 0 and not is_folded) then
        perform billing.fold_sums();
    end if;
    return null;
end
$$;
