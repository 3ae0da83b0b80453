-- What a run would correct: statements whose amounts differ from those that the run has staged, without the accounts
-- in `p_held`; of the statements in `p_only` alone, or of all (null). A statement for which the run has staged nothing
-- is now worth nothing. `is_waiting`: it can't be corrected yet, as a charge of it is under way, it is written off, or
-- more would be credited than what was credited by hand, or given up after the gateway gave it back, has left. The
-- amounts are the change to the statement.
create or replace function billing.corrections_due(p_run_id bigint, p_held text[], p_only text[])
returns table (
    statement_id text, account_id text, currency text, minor_unit smallint, net_minor bigint, tax_minor bigint,
    total_minor bigint, is_waiting boolean
)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
    return query execute format($q$
        select e.statement_id, e.account_id, e.currency, e.minor_unit,
               coalesce(d.net_minor, 0) - e.net_minor, coalesce(d.tax_minor, 0) - e.tax_minor,
               coalesce(d.total_minor, 0) - e.total_minor,
               exists (select from billing.payment_attempt a
                       where a.statement_id = e.statement_id and a.outcome in ('pending', 'unknown'))
               or exists (select from billing.receivable r
                          where r.statement_id = e.statement_id and r.last_way = 'write_off')
               or coalesce(d.total_minor, 0) + least(e.by_hand_minor, 0) < (
                      select coalesce(sum(t.amount_minor), 0) from billing.transfer t
                      where t.statement_id = e.statement_id and t.kind = 'goodwill')
        from billing.effective_statement e
        left join staging.%I d on d.account_id = e.account_id
        where e.period = (select period from billing.run where run_id = $1) and e.account_id <> all($2)
          and ($3 is null or e.statement_id = any($3))
          and (coalesce(d.net_minor, 0), coalesce(d.tax_minor, 0)) is distinct from (e.net_minor, e.tax_minor)
          and coalesce(d.currency, e.currency) = e.currency
        order by e.statement_id $q$, 'run_' || p_run_id || '_statement')
    using p_run_id, p_held, p_only;
end
$$;
