-- Refreshes the planner's statistics of statements and ledger as a whole: autovacuum only analyzes single partitions.
create or replace function billing.sample_statements() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    analyze only billing.statement (statement_id, kind, period, account_id, currency, corrects_statement_id);
    analyze only billing.transfer (statement_id, kind, correction_id, attempt_id, paid_outside_id);
end
$$;
