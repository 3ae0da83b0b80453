-- Refuses to go on while charging is on hold, or on a server that no comparison was made on. Called by whatever opens
-- or claims attempts, in the same transaction: until that ends, charging isn't put on hold.
create or replace function billing.require_no_hold() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_identity text[];
    v_hold billing.charging_hold;
begin
    select identity into v_identity from billing.charging_server for share;
    select * into v_hold from billing.charging_hold where lifted_at is null;
    if v_hold.hold_id is null and billing.is_moved(v_identity, billing.server_identity()) then
        v_hold.detail := 'the database was moved or restored';
        v_hold.held_since := clock_timestamp();
    end if;
    if v_hold.detail is not null then
        raise exception 'charging is on hold since % UTC: %',
            to_char(v_hold.held_since at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), v_hold.detail
            using errcode = 'EV005', hint = 'run the DAG payment_reconciliation: it compares all payments with the gateway, '
                                            'lists what is missing here, and lifts the hold; see docs/runbooks/restore.md';
    end if;
end
$$;
