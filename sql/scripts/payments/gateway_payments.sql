-- Stores the gateway's list of payments as it is now. The columns are arrays of equal length.
insert into billing.gateway_payment as g (
    gateway_payment_id, outcome, amount_minor, refunded_minor, currency, created_at, customer, attempt_id, statement_id,
    decline_code, advice_code, dispute, disputed_minor, livemode, seen_at)
select *, clock_timestamp() from unnest(
    %(ids)s::text[], %(outcomes)s::text[], %(amounts)s::bigint[], %(refunds)s::bigint[], %(currencies)s::text[],
    %(created)s::timestamptz[], %(customers)s::text[], %(attempts)s::bigint[], %(statements)s::text[],
    %(codes)s::text[], %(advice)s::text[], %(disputes)s::text[], %(disputed)s::bigint[], %(modes)s::boolean[])
on conflict (gateway_payment_id) do update
set outcome = excluded.outcome, amount_minor = excluded.amount_minor, 
    -- A refund of ours that was booked since the list was begun may not be on it yet.
    refunded_minor = case when exists (
            select from billing.refund_attempt r
            where r.gateway_payment_id = g.gateway_payment_id and r.outcome = 'succeeded'
              and r.settled_at >= %(listed_at)s::timestamptz - interval '1 minute')
        then greatest(g.refunded_minor, excluded.refunded_minor) else excluded.refunded_minor end,
    currency = excluded.currency, created_at = excluded.created_at, customer = excluded.customer,
    attempt_id = excluded.attempt_id, statement_id = excluded.statement_id, decline_code = excluded.decline_code,
    advice_code = excluded.advice_code, dispute = excluded.dispute, disputed_minor = excluded.disputed_minor,
    livemode = excluded.livemode, seen_at = excluded.seen_at, gone_at = null;
