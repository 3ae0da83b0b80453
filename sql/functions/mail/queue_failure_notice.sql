-- Queues one notice for each reason with each payment method: a retry that fails as before is no news, another card or
-- another reason is. A charge that never reached the gateway is no news for the financial admin at all.
create or replace function billing.queue_failure_notice() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into billing.mail (kind, statement_id, attempt_id, account_id, financial_admin_id, period, occasion, state,
                              last_error, requested_by)
    select 'failed_charge', s.statement_id, new.attempt_id, s.account_id, s.financial_admin_id, s.period,
           'declined ' || new.decline_code || ' ' || coalesce(new.payment_method, '-'),
           case when h.held is null then 'pending' else 'held' end, h.held, 'attempt ' || new.attempt_id
    from billing.statement s cross join (select billing.held_with_its_statement(new.statement_id) as held) h
    where s.statement_id = new.statement_id
    on conflict do nothing;
    return null;
end
$$;
