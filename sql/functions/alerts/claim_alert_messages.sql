-- Gives a sender what to send by a channel, and to nobody else for two minutes: alerts that began, those that have
-- lasted for a day since they were last sent, and those that ended after they were sent.
create or replace function billing.claim_alert_messages(p_channel text)
returns table (alert_id bigint, cause text, title text, says text, opened_at timestamptz, ended_at timestamptz)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    perform billing.take_lock('alerts');
    return query
    with wanted as (
        select a.alert_id,
               case when m.sent_at is null then 'began' when a.ended_at is null then 'lasts' else 'ended' end as says
        from billing.alert a
        left join billing.alert_message m on m.alert_id = a.alert_id and m.channel = p_channel
        where (m.claimed_at is null or m.claimed_at < clock_timestamp() - interval '2 minutes')
          and case when m.sent_at is null then a.ended_at is null
                   when a.ended_at is null
                       then not a.is_once and m.sent_at < clock_timestamp() - interval '1 day'
                   else m.end_sent_at is null end
    ), claimed as (
        insert into billing.alert_message as m (alert_id, channel, claimed_at)
        select w.alert_id, p_channel, clock_timestamp() from wanted w
        on conflict on constraint alert_message_pkey do update set claimed_at = excluded.claimed_at
        returning m.alert_id
    )
    select a.alert_id, a.cause, a.title, w.says, a.opened_at, a.ended_at
    from wanted w join claimed c using (alert_id) join billing.alert a using (alert_id)
    order by a.alert_id;
end
$$;
