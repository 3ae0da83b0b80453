-- Brings standings up to what ledger and attempts say. The caller has locked the statements, and each command here
-- sees what was committed before it began. Returns how many rows changed. Rows are looked up one by one, each in its
-- partition: for a thousand statements the planner would otherwise read a million.
create or replace function billing.refresh_standing(p_statements text[]) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp
set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    v_changed integer;
begin
    perform billing.lock_statements(p_statements);
    update billing.standing s
    set paid_minor = n.paid_minor, balance_minor = n.balance_minor, last_way = n.last_way, has_failed = n.has_failed
    from (
        select r.statement_id, r.paid_minor, r.balance_minor, r.last_way, f.attempt_id is not null as has_failed
        from unnest(p_statements) as i (statement_id)
        cross join lateral (select * from billing.receivable r where r.statement_id = i.statement_id offset '0') r
        left join lateral (
            select a.attempt_id from billing.payment_attempt a
            where a.statement_id = i.statement_id and a.outcome = 'declined' limit 1) f on true
    ) n
    where s.statement_id = n.statement_id
      and (s.paid_minor, s.balance_minor, s.last_way, s.has_failed)
          is distinct from (n.paid_minor, n.balance_minor, n.last_way, n.has_failed);
    get diagnostics v_changed = row_count;
    return v_changed;
end
$$;
