-- Queues the mail of the statements that a run has issued and that have none: a month's first connector statements
-- bring theirs, and those of a canary were queued before the rest.
create or replace function billing.queue_mail_of(p_run billing.run) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    -- With the values in the text, the planner reads only the partition of the period. Where the last statement has its
    -- mail all have, and the others aren't looked at.
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
                select max(s.statement_id) from billing.statement s where s.period = %1$L and s.run_id = %2$s))
          and not exists (
            select from billing.mail m where m.occasion = 'issue' and m.statement_id = d.statement_id)
        order by d.statement_id $q$,
        p_run.period, p_run.run_id, billing.reason_to_hold(p_run.deliver, p_run.period, p_run.opened_at),
        'run ' || p_run.run_id, p_run.deliver);
end
$$;
