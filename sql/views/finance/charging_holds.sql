create or replace view finance.charging_holds with (security_barrier) as
select h.hold_id,
       h.sign,
       h.detail,
       h.held_since,
       h.lifted_at,
       h.lifted_at is null as is_open,
       (select count(*) from billing.lost_payment l where l.hold_id = h.hold_id) as lost_payments
from billing.charging_hold h;

comment on view finance.charging_holds is 'One row for each time that charging was put on hold because the warehouse was restored from a backup';
comment on column finance.charging_holds.hold_id is 'Number of the hold';
comment on column finance.charging_holds.sign is 'gateway: it had payments that weren''t recorded here; server: the database was moved or restored';
comment on column finance.charging_holds.detail is 'What was found, in words';
comment on column finance.charging_holds.held_since is 'When it was found; nothing is charged from then on';
comment on column finance.charging_holds.lifted_at is 'When a full comparison with the gateway had ended; null while nothing is charged';
comment on column finance.charging_holds.is_open is 'True while nothing is charged';
comment on column finance.charging_holds.lost_payments is 'Payments, declined ones included, that the comparison found at the gateway and not here; see finance.payment_breaks';
