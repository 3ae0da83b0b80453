-- The outbox of mail: one row per message, written in the transaction that issues the statement or records the decline
-- that it tells of, and sent afterwards. Partitioned as statements are, so that a month's messages are made and keyed in
-- staging beside its statements, and publishing only attaches them. For the DAGs, which reserve, begin and settle messages
-- through the functions below, and for finance, which sees what went out. Why it is so: docs/decisions/0022-mail-from-an-outbox.md.

-- Whether a run's statements are mailed: auto holds back those of a period that ended more than 45 days before the run.
alter table billing.run
    add column deliver text not null default 'auto' constraint run_deliver check (deliver in ('auto', 'yes', 'no'));

create table billing.mail (
    mail_id bigint not null generated always as identity,
    kind text not null constraint mail_kind check (
        kind in ('connector_statement', 'account_statement', 'correction', 'failed_charge')),
    -- What it is about. No foreign keys, as in billing.transfer: the rows come from the statements and attempts themselves,
    -- and a hundred thousand look-ups would be for nothing.
    statement_id text not null,
    attempt_id bigint,
    account_id text not null,
    financial_admin_id text not null,
    period text not null,
    -- What called for it: for one occasion there is one message, however often it is asked for. The first is 'issue'.
    occasion text not null,
    state text not null default 'pending' constraint mail_state check (
        state in ('pending', 'sending', 'sent', 'failed', 'unknown', 'held')),
    tries integer not null default 0,
    last_error text,
    message_id text,
    recipient text,
    requested_by text not null check (requested_by <> ''),
    -- The request of a person that made the row, or brought it back.
    request_id text,
    -- The message that this one repeats at a person's request.
    again_of bigint,
    created_at timestamptz not null default now(),
    not_before timestamptz not null default now(),
    -- Who prepares it or sends it, and until when it is theirs.
    sender text,
    reserved_until timestamptz,
    claimed_at timestamptz,
    sent_at timestamptz,
    constraint a_notice_names_its_attempt check ((kind = 'failed_charge') = (attempt_id is not null)),
    constraint what_was_sent_says_to_whom check (
        state not in ('sending', 'sent', 'unknown') or (recipient is not null and message_id is not null)),
    constraint what_was_sent_says_when check ((state = 'sent') = (sent_at is not null)),
    constraint what_is_not_sent_says_why check (state not in ('failed', 'unknown', 'held') or last_error is not null),
    primary key (statement_id, kind, occasion)
) partition by range (statement_id);
comment on table billing.mail is 'One row per message to a financial admin: what it is about and what became of it';
-- Whoever asks for a month's messages names the range of its statements, too. Numbers are the identity's own: unique.
create index mail_number on billing.mail (mail_id);
create index mail_not_sent on billing.mail (state, mail_id) where state <> 'sent';
create index mail_again on billing.mail (again_of) where again_of is not null;
-- Of account statements and corrections: S and C come after the A of connector statements.
create table billing.mail_other partition of billing.mail for values from ('B') to (maxvalue);

-- What was sent stays so, and what a message is about never changes.
create function billing.refuse_change_of_mail() returns trigger language plpgsql as $$
begin
    if tg_op <> 'DELETE' and old.state <> 'sent'
       and (old.mail_id, old.kind, old.statement_id, old.attempt_id, old.account_id, old.financial_admin_id, old.period,
            old.occasion, old.again_of, old.created_at)
           is not distinct from
           (new.mail_id, new.kind, new.statement_id, new.attempt_id, new.account_id, new.financial_admin_id, new.period,
            new.occasion, new.again_of, new.created_at) then
        return new;
    end if;
    raise exception '% of mail % refused: what it is about never changes, nor that it was sent', tg_op, old.mail_id
        using errcode = 'EV002', hint = 'ask for it to be sent again, which makes a row beside it';
end
$$;
create trigger mail_is_settled_once before update or delete on billing.mail
    for each row execute function billing.refuse_change_of_mail();
create trigger mail_is_not_emptied before truncate on billing.mail
    for each statement execute function billing.refuse_change();
select billing.guard_part('mail', 'mail_other');

-- Why the mail of a run's statements is held back; null if it isn't.
create function billing.reason_to_hold(p_deliver text, p_period text, p_opened_at timestamptz) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp
return case
    when p_deliver = 'no' then 'the run was told not to send its statements (Param deliver)'
    when p_deliver = 'auto'
         and (p_opened_at at time zone 'UTC')::date > (p_period || '-01')::date + interval '1 month - 1 day' + interval '45 days'
        then 'the month had ended more than 45 days before the run; send it by hand if it is still wanted'
end;

-- A correction, or a notice, of a statement whose own mail is held: whoever never got the one makes nothing of the other.
create function billing.held_with_its_statement(p_statement_id text) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp
return (
    select 'its statement was not sent either: ' || m.last_error from billing.mail m
    where m.statement_id = p_statement_id and m.kind = 'connector_statement' and m.occasion = 'issue' and m.state = 'held');

-- The table of the messages about a period's connector statements, empty and without keys.
create function billing.create_mail_table(p_schema text, p_table text, p_period text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    execute format(
        'create table %I.%I (like billing.mail including defaults including constraints,
             constraint mail_of_range check (statement_id >= %L and statement_id < %L))',
        p_schema, p_table, billing.statement_range(p_period, 0), billing.statement_range(p_period, 1));
end
$$;

create function billing.key_mail_table(p_schema text, p_table text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    execute format('alter table %I.%I add primary key (statement_id, kind, occasion)', p_schema, p_table);
    execute format('create index on %I.%I (mail_id)', p_schema, p_table);
    execute format('create index on %I.%I (state, mail_id) where state <> ''sent''', p_schema, p_table);
    execute format('create index on %I.%I (again_of) where again_of is not null', p_schema, p_table);
end
$$;

-- Makes the table of a period's messages, which lies keyed in schema billing, a partition.
create function billing.attach_mail_table(p_period text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_part text := 'mail_' || replace(p_period, '-', '_');
begin
    execute format('alter table billing.mail attach partition billing.%I for values from (%L) to (%L)',
                   v_part, billing.statement_range(p_period, 0), billing.statement_range(p_period, 1));
    perform billing.guard_part('mail', v_part);
end
$$;

-- Periods of before there was an outbox: nothing is mailed of them by itself.
select billing.create_mail_table('billing', 'mail_' || p.suffix, replace(p.suffix, '_', '-')),
       billing.key_mail_table('billing', 'mail_' || p.suffix), billing.attach_mail_table(replace(p.suffix, '_', '-'))
from (select substr(c.relname, 11) as suffix from pg_inherits i join pg_class c on c.oid = i.inhrelid
      where i.inhparent = 'billing.statement'::regclass and c.relname ~ '^statement_[0-9]{4}_[0-9]{2}$') p
order by p.suffix;

-- As before, with the messages about the drafts.
alter function billing.number_drafts(bigint, bigint) rename to number_statement_drafts;
create function billing.number_drafts(p_run_id bigint, p_epoch bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_mail text := 'run_' || p_run_id || '_mail';
    v_run billing.run;
    v_held text;
begin
    perform billing.number_statement_drafts(p_run_id, p_epoch);
    execute format('drop table if exists staging.%I', v_mail);
    if to_regclass('staging.run_' || p_run_id || '_issue') is null then
        return;
    end if;
    select * into strict v_run from billing.run where run_id = p_run_id;
    v_held := billing.reason_to_hold(v_run.deliver, v_run.period, v_run.opened_at);
    perform billing.create_mail_table('staging', v_mail, v_run.period);
    execute format(
        'insert into staging.%I (mail_id, kind, statement_id, account_id, financial_admin_id, period, occasion, state,
                                 last_error, requested_by)
         select nextval(%L), ''connector_statement'', statement_id, account_id, financial_admin_id, period, ''issue'', %L,
                %L, %L
         from staging.%I',
        v_mail, pg_get_serial_sequence('billing.mail', 'mail_id'), case when v_held is null then 'pending' else 'held' end,
        v_held, 'run ' || p_run_id, 'run_' || p_run_id || '_issue');
    perform billing.key_mail_table('staging', v_mail);
    -- Autovacuum would hold what publishing locks.
    execute format('alter table staging.%I set (autovacuum_enabled = false)', v_mail);
    execute format('analyze staging.%I', v_mail);
end
$$;

-- As before, with the messages: those that were made with the drafts, or an empty table for those to come.
alter function billing.attach_issue_tables(text) rename to attach_statement_tables;
create function billing.attach_issue_tables(p_period text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_suffix text := replace(p_period, '-', '_');
    v_run_id bigint;
    v_staged text;
begin
    perform billing.attach_statement_tables(p_period);
    execute format('select run_id from billing.%I limit 1', 'statement_' || v_suffix) into v_run_id;
    v_staged := 'run_' || v_run_id || '_mail';
    if to_regclass('staging.' || v_staged) is not null then
        execute format('alter table staging.%I rename to %I', v_staged, 'mail_' || v_suffix);
        execute format('alter table staging.%I set schema billing', 'mail_' || v_suffix);
        execute format('alter table billing.%I reset (autovacuum_enabled)', 'mail_' || v_suffix);
    else
        perform billing.create_mail_table('billing', 'mail_' || v_suffix, p_period);
        perform billing.key_mail_table('billing', 'mail_' || v_suffix);
    end if;
    perform billing.attach_mail_table(p_period);
end
$$;

-- A run that publishes settles in the same transaction: that is where its statements get their mail, all of them or, if they
-- have it, none, as a month's first connector statements do.
create function billing.queue_statement_mail() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    -- With the values in the text, only the partition of the period is looked at.
    execute format($q$
        insert into billing.mail (kind, statement_id, account_id, financial_admin_id, period, occasion, state, last_error,
                                  requested_by)
        select d.kind, d.statement_id, d.account_id, d.financial_admin_id, %1$L, 'issue',
               case when d.held is null then 'pending' else 'held' end, d.held, %4$L
        from (select case s.kind when 'connector' then 'connector_statement' when 'account' then 'account_statement'
                                 else 'correction' end as kind,
                     s.statement_id, s.account_id, s.financial_admin_id,
                     case when s.kind = 'correction' and %5$L = 'auto'
                          then billing.held_with_its_statement(s.corrects_statement_id) else %3$L end as held
              from billing.statement s
              where s.period = %1$L and s.run_id = %2$s) d
        where not exists (
            select from billing.mail m
            where m.occasion = 'issue' and m.statement_id = (
                select min(s.statement_id) from billing.statement s where s.period = %1$L and s.run_id = %2$s))
        order by d.statement_id $q$,
        new.period, new.run_id, billing.reason_to_hold(new.deliver, new.period, new.opened_at), 'run ' || new.run_id,
        new.deliver);
    return null;
end
$$;
create trigger issued_statements_are_mailed after update of state on billing.run
    for each row when (new.state = 'issued' and old.state <> 'issued')
    execute function billing.queue_statement_mail();

-- One notice for each reason with each payment method: a retry that fails as before tells nothing new, another card or
-- another reason does. What never took place at the gateway is no news for the financial admin at all.
create function billing.queue_failure_notice() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    insert into billing.mail (kind, statement_id, attempt_id, account_id, financial_admin_id, period, occasion, state,
                              last_error, requested_by)
    select 'failed_charge', s.statement_id, new.attempt_id, s.account_id, s.financial_admin_id, s.period,
           'declined ' || new.decline_code || ' ' || coalesce(new.payment_method, '-'),
           case when h.held is null then 'pending' else 'held' end, h.held, 'attempt ' || new.attempt_id
    from billing.statement s cross join (select billing.held_with_its_statement(new.statement_id) as held) h
    where s.statement_id = new.statement_id
    on conflict do nothing;
    return null;
end
$$;
create trigger declined_attempt_is_mailed after insert on billing.payment_attempt
    for each row when (new.outcome = 'declined' and new.decline_code <> 'not_charged')
    execute function billing.queue_failure_notice();
create trigger attempt_declined_later_is_mailed after update of outcome on billing.payment_attempt
    for each row when (new.outcome = 'declined' and old.outcome <> 'declined' and new.decline_code <> 'not_charged')
    execute function billing.queue_failure_notice();

-- Messages that wait and are due, as many as asked for, reserved for `p_sender` until the lease is over: nobody else
-- prepares or sends them meanwhile. Null kinds or period: any. A notice of a charge that is paid by now tells nothing
-- true any more and is held.
create function billing.reserve_mail(p_sender text, p_most integer, p_lease interval, p_kinds text[], p_period text)
returns table (mail_id bigint, kind text, statement_id text, attempt_no integer, account_id text, financial_admin_id text,
               tries integer)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    return query
    with free as (
        select m.mail_id, m.kind, m.statement_id from billing.mail m
        where m.state = 'pending' and m.not_before <= clock_timestamp()
          and (m.reserved_until is null or m.reserved_until < clock_timestamp())
          and (p_kinds is null or m.kind = any(p_kinds)) and (p_period is null or m.period = p_period)
        order by m.mail_id limit p_most for update skip locked
    ), judged as (
        select f.mail_id, f.kind = 'failed_charge' and billing.balance_minor(f.statement_id) <= 0 as is_paid from free f
    ), taken as (
        update billing.mail m
        set sender = p_sender, reserved_until = clock_timestamp() + p_lease,
            state = case when j.is_paid then 'held' else m.state end,
            last_error = case when j.is_paid then 'nothing is due any more, so there is nothing to tell'
                              else m.last_error end
        from judged j where m.mail_id = j.mail_id
        returning m.mail_id, m.kind, m.statement_id, m.attempt_id, m.account_id, m.financial_admin_id, m.tries, m.state
    )
    select t.mail_id, t.kind, t.statement_id, a.attempt_no, t.account_id, t.financial_admin_id, t.tries
    from taken t left join billing.payment_attempt a on a.attempt_id = t.attempt_id
    where t.state = 'pending' order by t.mail_id;
end
$$;

-- Lets go of what `p_sender` reserved and did not begin.
create function billing.release_mail(p_sender text) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_released integer;
begin
    update billing.mail set sender = null, reserved_until = null where state = 'pending' and sender = p_sender;
    get diagnostics v_released = row_count;
    return v_released;
end
$$;

-- Marks a message as being sent; to be committed before the mail server hears of it. False if it isn't the sender's any
-- more, whose reservation is over or was taken.
create function billing.begin_mail(p_mail_id bigint, p_sender text, p_recipient text, p_message_id text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    update billing.mail
    set state = 'sending', tries = tries + 1, claimed_at = clock_timestamp(), recipient = p_recipient,
        message_id = p_message_id, last_error = null
    where mail_id = p_mail_id and sender = p_sender and state = 'pending' and reserved_until > clock_timestamp();
    return found;
end
$$;

-- Records what became of a message that `p_sender` has reserved or begun: sent, failed, unknown, or pending again after
-- `p_wait`. Who learns of it only after the message was given up as unknown may still say so. False if it isn't the
-- sender's any more; nothing is written then.
create function billing.settle_mail(p_mail_id bigint, p_sender text, p_state text, p_error text, p_wait interval)
returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if (p_state in ('sent', 'failed', 'unknown', 'pending')) is distinct from true then
        raise exception 'mail is settled as sent, failed, unknown or pending, not as %', p_state using errcode = 'EV004';
    end if;
    update billing.mail
    set state = p_state, last_error = left(p_error, 1000), sent_at = case when p_state = 'sent' then clock_timestamp() end,
        not_before = clock_timestamp() + coalesce(p_wait, interval '0'), sender = null, reserved_until = null
    where mail_id = p_mail_id and sender = p_sender
      and (state = 'sending' or state = 'unknown' and p_state in ('sent', 'failed')
           or state = 'pending' and p_state in ('failed', 'pending'));
    return found;
end
$$;

-- Gives up, as unknown, what was begun longer than `p_lease` ago and never settled: whoever began it is gone, and nobody
-- knows whether the mail server took it. Returns how many.
create function billing.give_up_mail(p_lease interval) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_given_up integer;
begin
    with lapsed as (
        select mail_id from billing.mail where state = 'sending' and claimed_at < clock_timestamp() - p_lease
        order by mail_id for update skip locked
    )
    update billing.mail m
    set state = 'unknown',
        last_error = 'whoever sent it was cut off, so it may have arrived or not; ask, or send it again'
    from lapsed l where m.mail_id = l.mail_id;
    get diagnostics v_given_up = row_count;
    return v_given_up;
end
$$;

-- What asking for messages comes to: for each statement named (null: every one of the period) the newest message of the
-- kind, or the one to be made where there is none. `does`: 'send' (held or failed: it waits again), 'copy' (sent, or
-- unknown: another one beside it), 'waits', 'busy', 'repeated' (this very request has seen to it) or 'unknown'.
create function billing.mail_to_send(p_request_id text, p_statements text[], p_kind text, p_period text, p_states text[])
returns table (statement_id text, kind text, mail_id bigint, state text, account_id text, financial_admin_id text,
               does text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    return query
    with asked as (
        select distinct a as statement_id from unnest(p_statements) a
        union
        select m.statement_id from billing.mail m
        where p_statements is null and m.period = p_period and m.kind = p_kind
    ), named as (
        select a.statement_id, s.account_id, s.financial_admin_id,
               coalesce(p_kind, case s.kind when 'connector' then 'connector_statement'
                                            when 'account' then 'account_statement'
                                            when 'correction' then 'correction' end) as kind, s.kind as statement_kind
        from asked a left join billing.statement s on s.statement_id = a.statement_id
    ), newest as (
        select n.*, m.mail_id, m.state, m.request_id
        from named n
        left join lateral (
            select m.mail_id, m.state, m.request_id from billing.mail m
            where m.statement_id = n.statement_id and m.kind = n.kind
            order by m.mail_id desc limit 1) m on true
    )
    select n.statement_id, n.kind, n.mail_id, n.state, n.account_id, n.financial_admin_id, case
               when n.statement_kind is null then 'unknown'
               -- A notice needs a decline, and no other kind can be had of a statement than its own.
               when n.mail_id is null and n.kind is distinct from case n.statement_kind
                    when 'connector' then 'connector_statement' when 'account' then 'account_statement'
                    else 'correction' end then 'unknown'
               when n.request_id = p_request_id then 'repeated'
               when n.state = 'pending' then 'waits'
               when n.state = 'sending' then 'busy'
               when n.mail_id is null or n.state in ('held', 'failed') then 'send'
               else 'copy' end
    from newest n
    where p_states is null or n.state = any(p_states) or n.request_id = p_request_id
    order by n.statement_id;
end
$$;

-- Asks for messages of statements, as mail_to_send says; each is audited. Returns the same rows, with the message that now
-- waits. Once for a request: the same again does nothing.
create function billing.request_mail(
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
        raise exception 'mail is asked for by statements, with a request''s id and a reason' using errcode = 'EV004';
    end if;
    -- One request at a time: two that name the same statement would both find it unsent.
    perform pg_advisory_xact_lock(hashtext('evbilling mail request'));
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

revoke execute on all functions in schema billing from public;
revoke execute on function billing.number_statement_drafts(bigint, bigint) from evbilling_writer;
grant execute on function billing.number_drafts(bigint, bigint),
    billing.reserve_mail(text, integer, interval, text[], text), billing.release_mail(text),
    billing.begin_mail(bigint, text, text, text), billing.settle_mail(bigint, text, text, text, interval),
    billing.give_up_mail(interval), billing.mail_to_send(text, text[], text, text, text[]),
    billing.request_mail(text, text[], text, text, text)
to evbilling_writer;
grant select on billing.mail to evbilling_writer;
