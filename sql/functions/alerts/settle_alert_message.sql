-- Records that a message was sent (no error), or why it wasn't: it is claimed again then.
create or replace function billing.settle_alert_message(
    p_alert_id bigint, p_channel text, p_says text, p_error text)
returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
    update billing.alert_message
    set sent_at = case when p_error is null and p_says <> 'ended' then clock_timestamp() else sent_at end,
        end_sent_at = case when p_error is null and p_says = 'ended' then clock_timestamp() else end_sent_at end,
        -- What was sent isn't held back: its end may come within two minutes.
        claimed_at = case when p_error is null then '-infinity' else claimed_at end,
        error = p_error
    where alert_id = p_alert_id and channel = p_channel
$$;
