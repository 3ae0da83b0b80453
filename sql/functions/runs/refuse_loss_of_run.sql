-- Keeps a run that has issued statements: they name it without a foreign key.
create or replace function billing.refuse_loss_of_run() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from billing.statement s where s.run_id = old.run_id)
       and (tg_op = 'DELETE' or new.run_id <> old.run_id) then
        raise exception 'run % has issued statements', old.run_id using errcode = 'foreign_key_violation';
    end if;
    return case tg_op when 'DELETE' then old else new end;
end
$$;
