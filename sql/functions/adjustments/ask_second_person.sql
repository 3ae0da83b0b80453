-- Whether an adjustment may be carried out now. Returns null if it may; otherwise the number of the request that it is
-- recorded as, until another person carries it out by naming that number. The limit is for what one person does of a
-- kind on one statement, in all, so that it can't be passed in parts; what goes back by bank and on the card is of one
-- kind. Refuses with EV004 a number that is of another request, of the same person, or carried out already. The caller
-- has locked the statement.
create or replace function billing.ask_second_person(
    p_request_id text, p_kind text, p_statement_id text, p_amount_minor bigint, p_facts jsonb, p_approves bigint,
    p_actor text, p_reason text)
returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_statement billing.statement;
    v_asked billing.adjustment_request;
    v_limit bigint;
begin
    select * into strict v_statement from billing.statement s where s.statement_id = p_statement_id;
    if p_approves is not null then
        select * into v_asked from billing.adjustment_request r where r.adjustment_request_id = p_approves;
        if (v_asked.kind, v_asked.statement_id, v_asked.amount_minor, v_asked.facts)
           is distinct from (p_kind, p_statement_id, p_amount_minor, p_facts) then
            raise exception 'request % isn''t for this: %', p_approves,
                coalesce(case when v_asked.kind is not null then format('it is a %s of %s %s on %s, %s', v_asked.kind,
                                round(v_asked.amount_minor / power(10::numeric, v_asked.minor_unit), v_asked.minor_unit),
                                v_asked.currency, v_asked.statement_id, v_asked.facts) end, 'there is no such request')
                using errcode = 'EV004', hint = 'carry out what was asked for, or ask anew';
        end if;
        if v_asked.actor = p_actor then
            raise exception 'request % is by % too, and takes a second person', p_approves, p_actor
                using errcode = 'EV004', hint = 'ask somebody else to carry it out';
        end if;
        return null;
    end if;
    select l.limit_minor into v_limit from billing.adjustment_limit l
    where l.currency = v_statement.currency order by l.limit_id desc limit 1;
    if v_limit is null or v_limit >= p_amount_minor + (
           select coalesce(sum(d.amount_minor), 0) from (
               select a.amount_minor from billing.adjustment a
               where a.statement_id = p_statement_id and a.actor = p_actor and a.approves is null
                 and (a.kind = p_kind or p_kind like 'refund%' and a.kind = 'refund_outside')
               union all
               select r.amount_minor from billing.refund_attempt r
               where r.statement_id = p_statement_id and p_kind like 'refund%' and r.actor = p_actor
                 and r.approves is null and r.outcome <> 'refused') d) then
        return null;
    end if;
    insert into billing.adjustment_request (
        request_id, kind, statement_id, amount_minor, currency, minor_unit, facts, actor, reason)
    values (p_request_id, p_kind, p_statement_id, p_amount_minor, v_statement.currency, v_statement.minor_unit, p_facts,
            p_actor, p_reason)
    on conflict (request_id) do nothing returning * into v_asked;
    if v_asked.adjustment_request_id is null then
        select * into strict v_asked from billing.adjustment_request r where r.request_id = p_request_id;
        if (v_asked.kind, v_asked.statement_id, v_asked.amount_minor, v_asked.facts)
           is distinct from (p_kind, p_statement_id, p_amount_minor, p_facts) then
            raise exception 'the request % was for something else already', p_request_id
                using errcode = 'EV004', hint = 'make a new request for each adjustment';
        end if;
    else
        insert into billing.audit_event (actor, action, subject_id, reason)
        values (p_actor, 'request_' || p_kind, p_statement_id, p_reason);
    end if;
    return v_asked.adjustment_request_id;
end
$$;
