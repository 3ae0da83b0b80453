-- Adjusts a connector statement by hand, under its lock; the kinds:
--   goodwill        credits an amount, tax included, by a linked C-...: at most what was billed less what was credited
--   extra_debit     charges a further amount, tax included, by a linked C-...; it is collected as the balance is
--   write_off       moves all that is due to the account written_off; nothing is collected for it any more
--   undo_write_off  takes back the newest write-off: the debt is due again
--   refund_outside  books money that was sent back by other ways; at most the statement's credit (null: all of it)
-- Tax is split by the statement's own rate, rounded once. Above the limit of one person it becomes a request, and
-- `request_no` is its number; p_approves names the request of another person that is carried out. Returns the
-- adjustment, its amount, its correction, and whether it is new (the same request again is not). Refuses with EV004
-- what can't be right.
create or replace function billing.adjust_statement(
    p_request_id text, p_kind text, p_statement_id text, p_amount_minor bigint, p_currency text, p_customer_text text,
    p_paid_on date, p_reference text, p_approves bigint, p_actor text, p_reason text, p_code_version text,
    out adjustment_id bigint, out amount_minor bigint, out correction_id text, out request_no bigint,
    out is_new boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_statement billing.statement;
    v_done billing.adjustment;
    v_reversed bigint;
    v_facts jsonb;
    v_text text := nullif(btrim(p_customer_text), '');
begin
    v_statement := billing.lock_connector_statement(
        p_statement_id, 'adjust the connector statement that it lists or corrects', coalesce(p_currency, 'no currency'));
    select * into v_done from billing.adjustment a where a.request_id = p_request_id;
    if v_done.adjustment_id is not null then
        if v_done.statement_id <> p_statement_id or v_done.kind <> p_kind or v_done.amount_minor <> p_amount_minor then
            raise exception 'the request % was for something else already', p_request_id
                using errcode = 'EV004', hint = 'make a new request for each adjustment';
        end if;
        adjustment_id := v_done.adjustment_id;
        amount_minor := v_done.amount_minor;
        correction_id := v_done.correction_id;
        is_new := false;
        return;
    end if;
    select c.amount_minor, c.reverses_id into amount_minor, v_reversed
    from billing.check_adjustment(p_kind, p_statement_id, p_amount_minor, p_currency, p_paid_on) c;
    v_facts := jsonb_strip_nulls(jsonb_build_object(
        'customer_text', v_text, 'paid_on', p_paid_on, 'reference', p_reference));
    request_no := billing.ask_second_person(
        p_request_id, p_kind, p_statement_id, amount_minor, v_facts, p_approves, p_actor, p_reason);
    is_new := true;
    if request_no is not null then
        return;
    end if;
    if p_kind in ('goodwill', 'extra_debit') then
        correction_id := billing.issue_adjustment(p_statement_id, p_kind, amount_minor, p_code_version, p_actor, p_reason);
    end if;
    insert into billing.adjustment (
        request_id, kind, statement_id, correction_id, reverses_id, amount_minor, currency, minor_unit, paid_on, reference,
        customer_text, approves, actor, reason)
    values (p_request_id, p_kind, p_statement_id, correction_id, v_reversed, amount_minor, v_statement.currency,
            v_statement.minor_unit, p_paid_on, p_reference, v_text, p_approves, p_actor, p_reason)
    on conflict do nothing returning billing.adjustment.adjustment_id into adjustment_id;
    if adjustment_id is null then
        -- The same request for another statement came first, or the same approval.
        raise exception 'request % was carried out already', coalesce(p_approves::text, p_request_id)
            using errcode = 'EV004', hint = 'see finance.adjustments';
    end if;
    if correction_id is null then
        insert into billing.transfer (
            kind, statement_id, debit_account, credit_account, amount_minor, currency, adjustment_id)
        values (p_kind, p_statement_id,
                case p_kind when 'write_off' then 'written_off' else 'receivable' end,
                case p_kind when 'write_off' then 'receivable' when 'undo_write_off' then 'written_off'
                            else 'paid_outside' end,
                amount_minor, v_statement.currency, adjustment_id);
    end if;
    if p_kind in ('extra_debit', 'undo_write_off') and billing.balance_minor(p_statement_id) > 0 then
        perform billing.plan_later(array[p_statement_id], 'an adjustment raised what is due');
    end if;
    insert into billing.audit_event (actor, action, subject_id, reason)
    values (p_actor, p_kind, p_statement_id, p_reason);
end
$$;
