-- Queues the mail of the statements that a run has issued, as it is marked as issued.
create or replace function billing.queue_statement_mail() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform billing.queue_mail_of(new);
    return null;
end
$$;
