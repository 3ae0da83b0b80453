-- Records the outcome of a message that `p_sender` has reserved or begun: sent, failed, unknown, or pending again
-- after `p_wait`. An outcome that arrives after the message was given up as unknown is still recorded. False if the
-- message isn't the sender's any more; nothing is written then.
create or replace function billing.settle_mail(
    p_mail_id bigint, p_sender text, p_state text, p_error text, p_wait interval
)
returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if (p_state in ('sent', 'failed', 'unknown', 'pending')) is distinct from true then
        raise exception 'mail can be recorded as sent, failed, unknown or pending, not as %', p_state using errcode = 'EV004';
    end if;
    update billing.mail
    set state = p_state, last_error = left(p_error, 1000), sent_at = case when p_state = 'sent' then clock_timestamp() end,
        not_before = clock_timestamp() + coalesce(p_wait, interval '0'), sender = null, reserved_until = null
    where mail_id = p_mail_id and sender = p_sender
      and (state = 'sending' or state = 'unknown' and p_state in ('sent', 'failed')
           or state = 'pending' and p_state in ('failed', 'pending'));
    return found;
end
$$;
