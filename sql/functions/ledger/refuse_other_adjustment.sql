-- A write-off, its undoing or a refund by other ways is posted as it is on record, whoever posts it. None of them takes
-- a balance to the other side of zero: what is written off was due, and what is sent back was a credit.
create or replace function billing.refuse_other_adjustment() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_balance bigint;
begin
    if not exists (
        select from billing.adjustment a
        where a.adjustment_id = new.adjustment_id
          and (a.kind, a.statement_id, a.amount_minor, a.currency)
              = (new.kind, new.statement_id, new.amount_minor, new.currency)) then
        raise exception '% of % minor units on %: no such adjustment is on record', new.kind, new.amount_minor,
            new.statement_id using errcode = 'EV004', hint = 'billing.adjust_statement posts it';
    end if;
    perform billing.lock_statements(array[new.statement_id]);
    v_balance := billing.balance_minor(new.statement_id);
    if new.kind = 'write_off' and v_balance < 0 then
        raise exception 'more would be written off on % than is due', new.statement_id
            using errcode = 'EV004', hint = 'see its balance in finance.statements';
    elsif new.kind = 'refund_outside' and v_balance > 0 then
        raise exception 'more would be sent back on % than its credit', new.statement_id
            using errcode = 'EV004', hint = 'see its balance in finance.statements';
    end if;
    return null;
end
$$;
