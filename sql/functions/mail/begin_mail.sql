-- Marks a message as being sent, and records the file with the bytes that the mail server is given at this try. The
-- caller has stored the file, and commits this before it contacts the mail server. False if the message isn't the
-- sender's any more: its reservation has ended or was taken over.
create or replace function billing.begin_mail(
    p_mail_id bigint, p_sender text, p_recipient text, p_message_id text, p_file text, p_size_bytes integer
)
returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    with begun as (
        update billing.mail
        set state = 'sending', tries = tries + 1, claimed_at = clock_timestamp(), recipient = p_recipient,
            message_id = p_message_id, last_error = null
        where mail_id = p_mail_id and sender = p_sender and state = 'pending' and reserved_until > clock_timestamp()
        returning mail_id, tries, claimed_at
    )
    insert into billing.mail_document (mail_id, try_no, file, size_bytes, begun_at)
    select b.mail_id, b.tries, p_file, p_size_bytes, b.claimed_at from begun b;
    return found;
end
$$;
