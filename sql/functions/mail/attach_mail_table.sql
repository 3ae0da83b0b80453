-- Attaches a period's table of messages, which is in schema billing with its keys, as a partition.
create or replace function billing.attach_mail_table(p_period text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_part text := 'mail_' || replace(p_period, '-', '_');
begin
    execute format('alter table billing.mail attach partition billing.%I for values from (%L) to (%L)',
                   v_part, billing.statement_range(p_period, 0), billing.statement_range(p_period, 1));
    perform billing.guard_part('mail', v_part);
end
$$;
