-- A correction waits for a charge that is under way: the charge is of the previous balance, and a credit in the
-- meantime would make it too high. What a correction adds to a statement that was tried before is collected with what
-- failed. The trigger's name sorts after statement_posts_itself, which locks what is corrected.
create or replace function billing.refuse_correction_under_way() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_under_way text;
begin
    if not exists (select from issued where kind = 'correction') then
        return null;
    end if;
    select string_agg(a.statement_id, ', ' order by a.statement_id) into v_under_way
    from billing.payment_attempt a
    where a.outcome in ('pending', 'unknown')
      and a.statement_id in (select corrects_statement_id from issued where kind = 'correction');
    if v_under_way is not null then
        raise exception 'charges are under way whose outcome isn''t known yet: %', v_under_way
            using errcode = 'EV004', hint = 'wait for it; payment_reconciliation settles what stays unknown';
    end if;
    perform billing.plan_later(
        array(select corrects_statement_id from issued where kind = 'correction'
                and billing.balance_minor(corrects_statement_id) > 0
                and exists (select from billing.payment_attempt a where a.statement_id = corrects_statement_id)),
        'a correction raised what is due');
    return null;
end
$$;
