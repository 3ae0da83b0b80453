-- No payment takes a statement below zero, whoever posts it. Concurrent payments of a statement take turns: each
-- locks it first.
create or replace function billing.refuse_overpayment() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_balance bigint;
    v_currency text;
begin
    perform billing.lock_statements(array[new.statement_id]);
    select currency into v_currency from billing.statement
    where statement_id = new.statement_id and kind = 'connector';
    if v_currency is distinct from new.currency then
        raise exception 'a payment in % for statement %, which is in %', new.currency, new.statement_id, v_currency
            using errcode = 'EV004';
    end if;
    v_balance := billing.balance_minor(new.statement_id);
    if v_balance < 0 then
        raise exception 'a payment of % minor units for statement % is % more than what is due', new.amount_minor,
            new.statement_id, -v_balance using errcode = 'EV004', hint = 'a statement is paid once and never over its total';
    end if;
    return null;
end
$$;
