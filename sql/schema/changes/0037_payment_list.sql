-- The list of payments is read in the order in which they were recorded.
do $$
begin
    create index if not exists attempt_settled on billing.payment_attempt (settled_at, gateway_payment_id)
    where outcome = 'succeeded';
    create index if not exists paid_outside_recorded on billing.paid_outside (recorded_at);
end
$$;
