-- A statement names a run and a setting that exist: looked up for all rows at once, where a foreign key would look up
-- each of a hundred thousand.
create or replace function billing.require_run_and_setting() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_wrong text;
begin
    select min(i.statement_id) into v_wrong
    from issued i
    left join billing.run r on r.run_id = i.run_id
    left join billing.account_setting s on s.setting_id = i.setting_id
    where r.run_id is null or (i.setting_id is not null and s.setting_id is null);
    if v_wrong is not null then
        raise exception 'statement % names a run or a setting that doesn''t exist', v_wrong
            using errcode = 'foreign_key_violation';
    end if;
    return null;
end
$$;
