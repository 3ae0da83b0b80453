-- Gives up, as unknown, messages that were begun longer than `p_lease` ago and have no outcome: their sender is gone,
-- and nobody knows whether the mail server took them. Returns how many.
create or replace function billing.give_up_mail(p_lease interval) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_given_up integer;
begin
    with lapsed as (
        select mail_id from billing.mail where state = 'sending' and claimed_at < clock_timestamp() - p_lease
        order by mail_id for update skip locked
    )
    update billing.mail m
    set state = 'unknown',
        last_error = 'its sender was cut off, so it may or may not have arrived; ask the recipient, or send it again'
    from lapsed l where m.mail_id = l.mail_id;
    get diagnostics v_given_up = row_count;
    return v_given_up;
end
$$;
