-- The status of a connector statement: the only place that defines it, for finance.statements and the standings. Each
-- word is cast on its own: with one cast around the expression, Postgres would not inline this function but call it
-- for every row. What is written off isn't paid: such a statement keeps the status of an unpaid one, with nothing due.
create or replace function billing.status_of(
    p_balance_minor bigint, p_paid_minor bigint, p_last_way text, p_has_failed boolean
)
returns billing.statement_status
language sql immutable parallel safe
return case when p_balance_minor <= 0 and p_last_way = 'write_off' and p_paid_minor > 0
                then 'Partly paid'::billing.statement_status
            when p_balance_minor <= 0 and p_last_way = 'write_off' and p_has_failed
                then 'Billing failure'::billing.statement_status
            when p_balance_minor <= 0 and p_last_way = 'write_off' then 'Issued'::billing.statement_status
            when p_balance_minor <= 0 and p_last_way = 'paid_outside' then 'Paid manually'::billing.statement_status
            when p_balance_minor <= 0 and p_has_failed then 'Billing failure (resolved)'::billing.statement_status
            when p_balance_minor <= 0 then 'Paid'::billing.statement_status
            when p_paid_minor > 0 then 'Partly paid'::billing.statement_status
            when p_has_failed then 'Billing failure'::billing.statement_status
            else 'Issued'::billing.statement_status end;
