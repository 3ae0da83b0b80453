-- Since when charging is on hold, for the Month page; null if it isn't.
select max(held_since) from billing.charging_hold where lifted_at is null;
