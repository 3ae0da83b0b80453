-- The hold on charging, if there is one, and since when all payments must be compared to lift it.
select (select hold_id from billing.charging_hold where lifted_at is null), billing.full_comparison_since();
