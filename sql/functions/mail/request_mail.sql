-- Requests mail of statements, as mail_to_send() lists it; each is audited. Returns the same rows, with the message
-- that now waits. A repeated request does nothing.
create or replace function billing.request_mail(
    p_request_id text, p_statements text[], p_kind text, p_actor text, p_reason text)
returns table (statement_id text, kind text, mail_id bigint, state text, account_id text, financial_admin_id text,
               does text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_row record;
    v_mail_id bigint;
begin
    if coalesce(p_request_id, '') = '' or coalesce(p_reason, '') = '' or p_statements is null then
        raise exception 'a request for mail needs statements, an id and a reason' using errcode = 'EV004';
    end if;
    -- One request at a time: two that name the same statement would both find it unsent.
    perform billing.take_lock('mail requests');
    for v_row in select * from billing.mail_to_send(p_request_id, p_statements, p_kind, null, null) loop
        v_mail_id := v_row.mail_id;
        if v_row.does = 'send' and v_row.mail_id is not null then
            update billing.mail m
            set state = 'pending', not_before = now(), requested_by = p_actor, request_id = p_request_id, sender = null,
                reserved_until = null
            where m.mail_id = v_row.mail_id and m.state in ('held', 'failed');
            if not found then
                v_row.does := 'busy';
            end if;
        elsif v_row.does in ('send', 'copy') then
            insert into billing.mail (kind, statement_id, attempt_id, account_id, financial_admin_id, period, occasion,
                                      requested_by, request_id, again_of)
            select v_row.kind, s.statement_id, o.attempt_id, s.account_id, s.financial_admin_id, s.period,
                   'request ' || p_request_id, p_actor, p_request_id, o.mail_id
            from billing.statement s left join billing.mail o on o.mail_id = v_row.mail_id
            where s.statement_id = v_row.statement_id
            returning billing.mail.mail_id into v_mail_id;
        end if;
        if v_row.does in ('send', 'copy') then
            insert into billing.audit_event (actor, action, subject_id, reason)
            values (p_actor, 'send_mail', v_row.statement_id, p_reason);
        end if;
        statement_id := v_row.statement_id;
        kind := v_row.kind;
        mail_id := v_mail_id;
        state := v_row.state;
        account_id := v_row.account_id;
        financial_admin_id := v_row.financial_admin_id;
        does := v_row.does;
        return next;
    end loop;
end
$$;
