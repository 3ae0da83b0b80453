-- What is still due on a connector statement, in minor units; below zero where a correction left a credit. Null if
-- there is no such statement.
create or replace function billing.balance_minor(p_statement_id text) returns bigint
language sql stable
return (
    select sum(case when debit_account = 'receivable' then amount_minor else -amount_minor end)::bigint
    from billing.transfer where statement_id = p_statement_id
);
