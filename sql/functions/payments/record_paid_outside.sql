-- Records a payment made outside the gateway; amount null: all that is due. Returns its id, the amount, and whether
-- it is new (the same request again is not). Refuses with EV004 what can't be right: also a day that nobody on earth
-- calls today yet by the clock of this server, or of more than a year before the statement. The id of a payment at the
-- gateway as reference books that payment: on the statement it was collected for, and no more than is left of it
-- (amount null: as much). While the gateway has a payment for the statement that nothing accounts for, only that can be
-- booked: otherwise the customer has paid twice.
create or replace function billing.record_paid_outside(
    p_request_id text, p_statement_id text, p_amount_minor bigint, p_currency text, p_paid_on date, p_reference text,
    p_actor text, p_reason text, out paid_outside_id bigint, out amount_minor bigint, out is_new boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_statement billing.statement;
    v_recorded billing.paid_outside;
    v_balance bigint;
    v_listed record;
    v_left bigint;
begin
    v_statement := billing.lock_connector_statement(
        p_statement_id, 'mark the connector statements that it lists as paid', coalesce(p_currency, 'no currency'));
    select * into v_recorded from billing.paid_outside o where o.request_id = p_request_id;
    if v_recorded.paid_outside_id is null then
        if p_paid_on is null or p_paid_on > ((clock_timestamp() at time zone 'UTC') + interval '14 hours')::date then
            raise exception 'paid_on is %, which is still to come', coalesce(p_paid_on::text, 'nothing')
                using errcode = 'EV004', hint = 'give the day it was paid';
        end if;
        if p_paid_on < v_statement.statement_date - interval '1 year' then
            raise exception 'paid_on is %, more than a year before % of %', p_paid_on, p_statement_id,
                v_statement.statement_date
                using errcode = 'EV004', hint = 'give the day it was paid';
        end if;
        perform billing.require_nothing_under_way(p_statement_id);
        v_balance := billing.balance_minor(p_statement_id);
        if v_balance <= 0 and exists (select from billing.receivable r
                                      where r.statement_id = p_statement_id and r.last_way = 'write_off') then
            raise exception '% is written off: nothing is due on it', p_statement_id
                using errcode = 'EV004', hint = 'undo the write-off first';
        end if;
        if v_balance <= 0 then
            raise exception '% is paid: nothing is due on it', p_statement_id
                using errcode = 'EV004', hint = 'see its payments in finance.payments';
        end if;
        if p_amount_minor > v_balance then
            raise exception '% % is more than the % % due on %',
                billing.major(p_amount_minor, v_statement.minor_unit), p_currency,
                billing.major(v_balance, v_statement.minor_unit), p_currency,
                p_statement_id
                using errcode = 'EV004', hint = 'give at most what is due';
        end if;
        select l.* into v_listed from billing.listed_payment l where l.gateway_payment_id = p_reference;
        if v_listed.gateway_payment_id is not null then
            v_left := v_listed.kept_minor - v_listed.recorded_minor;
            if v_listed.statement_id <> p_statement_id then
                raise exception 'the gateway has collected payment % for %, not for %', p_reference,
                    v_listed.statement_id, p_statement_id
                    using errcode = 'EV004', hint = 'mark that statement as paid with it, or give another reference';
            end if;
            if v_listed.currency <> p_currency then
                raise exception 'the gateway''s payment % is in %, not in %', p_reference, v_listed.currency, p_currency
                    using errcode = 'EV004', hint = 'refund it at the gateway and run payment_reconciliation';
            end if;
            if v_left <= 0 then
                raise exception 'the gateway''s payment % is recorded already, or was refunded', p_reference
                    using errcode = 'EV004', hint = 'give the reference of another payment';
            end if;
            if p_amount_minor > v_left then
                raise exception '% % is more than the % % that are left of the gateway''s payment %',
                    billing.major(p_amount_minor, v_statement.minor_unit), p_currency,
                    billing.major(v_left, v_statement.minor_unit), p_currency,
                    p_reference
                    using errcode = 'EV004', hint = 'give at most what the gateway has collected';
            end if;
            v_balance := least(v_balance, v_left);
        else
            select u.* into v_listed from billing.unaccounted_payments(array[p_statement_id]) u limit 1;
            if v_listed.gateway_payment_id is not null then
                raise exception 'the gateway has collected payment % for %, which isn''t recorded; give its id as the '
                    'reference, or refund it at the gateway and run payment_reconciliation',
                    v_listed.gateway_payment_id, p_statement_id
                    using errcode = 'EV004', hint = 'booked beside it, the customer would have paid twice';
            end if;
        end if;
        insert into billing.paid_outside (
            request_id, statement_id, amount_minor, currency, minor_unit, paid_on, reference, actor, reason)
        values (p_request_id, p_statement_id, coalesce(p_amount_minor, v_balance), p_currency, v_statement.minor_unit,
                p_paid_on, p_reference, p_actor, p_reason)
        on conflict (request_id) do nothing returning * into v_recorded;
        is_new := v_recorded.paid_outside_id is not null;
    else
        is_new := false;
    end if;
    if v_recorded.statement_id is distinct from p_statement_id or v_recorded.amount_minor <> p_amount_minor then
        raise exception 'the request % was for another payment already', p_request_id
            using errcode = 'EV004', hint = 'make a new request for each payment';
    end if;
    paid_outside_id := v_recorded.paid_outside_id;
    amount_minor := v_recorded.amount_minor;
    if is_new then
        insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, paid_outside_id)
        values ('paid_outside', p_statement_id, 'paid_outside', 'receivable', amount_minor, p_currency, paid_outside_id);
        insert into billing.audit_event (actor, action, subject_id, reason)
        values (p_actor, 'mark_as_paid', p_statement_id, p_reason);
    end if;
end
$$;
