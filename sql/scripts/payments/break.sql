-- Records a difference between gateway and warehouse, or that one is still there; is_closed: nothing is to be done.
insert into billing.payment_break as b (
    kind, gateway_payment_id, attempt_id, statement_id, currency, recorded_minor, gateway_minor, detail, gone_at)
values (
    %(kind)s, %(gateway_payment_id)s, %(attempt_id)s, %(statement_id)s, %(currency)s, %(recorded_minor)s,
    %(gateway_minor)s, %(detail)s, case when %(is_closed)s then now() end)
on conflict (kind, gateway_payment_id) do update
set recorded_minor = excluded.recorded_minor, gateway_minor = excluded.gateway_minor, detail = excluded.detail,
    last_seen_at = now(), gone_at = case when %(is_closed)s then coalesce(b.gone_at, now()) end;
