-- Queues the mail of the statements that a run has issued, all of them or, if they have it, none: a month's first
-- connector statements bring theirs.
create or replace function billing.queue_statement_mail() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    -- With the values in the text, the planner reads only the partition of the period.
    execute format($q$
        insert into billing.mail (kind, statement_id, account_id, financial_admin_id, period, occasion, state, last_error,
                                  requested_by)
        select d.kind, d.statement_id, d.account_id, d.financial_admin_id, %1$L, 'issue',
               case when d.held is null then 'pending' else 'held' end, d.held, %4$L
        from (select case s.kind when 'connector' then 'connector_statement' when 'account' then 'account_statement'
                                 else 'correction' end as kind,
                     s.statement_id, s.account_id, s.financial_admin_id,
                     case when s.kind = 'correction' and %5$L = 'auto'
                          then billing.held_with_its_statement(s.corrects_statement_id) else %3$L end as held
              from billing.statement s
              where s.period = %1$L and s.run_id = %2$s) d
        where not exists (
            select from billing.mail m
            where m.occasion = 'issue' and m.statement_id = (
                select min(s.statement_id) from billing.statement s where s.period = %1$L and s.run_id = %2$s))
        order by d.statement_id $q$,
        new.period, new.run_id, billing.reason_to_hold(new.deliver, new.period, new.opened_at), 'run ' || new.run_id,
        new.deliver);
    return null;
end
$$;
