-- The outbox of mail: one row per message, written in the transaction that issues the statement or records the decline
-- that it reports, and sent afterwards. Partitioned as statements are, so that a month's messages are made and keyed in
-- staging beside its statements, and publishing only attaches them. The DAGs reserve, begin and settle messages through
-- functions; finance sees what went out. Why it is so: docs/decisions/0022-mail-from-an-outbox.md.
-- requires: functions/audit/refuse_change.sql
-- requires: functions/mail/refuse_change_of_mail.sql

create table billing.mail (
    mail_id bigint not null generated always as identity,
    kind text not null constraint mail_kind check (
        kind in ('connector_statement', 'account_statement', 'correction', 'failed_charge')
    ),
    -- What it is about. No foreign keys, as in billing.transfer: the rows come from the statements and attempts
    -- themselves, and a hundred thousand look-ups would be for nothing.
    statement_id text not null,
    attempt_id bigint,
    account_id text not null,
    financial_admin_id text not null,
    period text not null,
    -- What the message was made for: on one occasion there is one message, however often it is asked for. The first is
    -- 'issue'.
    occasion text not null,
    state text not null default 'pending' constraint mail_state check (
        state in ('pending', 'sending', 'sent', 'failed', 'unknown', 'held')
    ),
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
    -- Who prepares it or sends it, and until when it is reserved for them.
    sender text,
    reserved_until timestamptz,
    claimed_at timestamptz,
    sent_at timestamptz,
    constraint a_notice_names_its_attempt check ((kind = 'failed_charge') = (attempt_id is not null)),
    constraint what_was_sent_says_to_whom check (
        state not in ('sending', 'sent', 'unknown') or (recipient is not null and message_id is not null)
    ),
    constraint what_was_sent_says_when check ((state = 'sent') = (sent_at is not null)),
    constraint what_is_not_sent_says_why check (state not in ('failed', 'unknown', 'held') or last_error is not null),
    primary key (statement_id, kind, occasion)
) partition by range (statement_id);
comment on table billing.mail is 'One row per message to a financial admin: what it is about and what became of it';
-- Whoever asks for a month's messages names the range of its statements, too. Numbers come from the identity: unique.
create index mail_number on billing.mail (mail_id);
create index mail_not_sent on billing.mail (state, mail_id) where state <> 'sent';
create index mail_again on billing.mail (again_of) where again_of is not null;
create trigger mail_is_settled_once before update or delete on billing.mail
for each row execute function billing.refuse_change_of_mail();
create trigger mail_is_not_emptied before truncate on billing.mail
for each statement execute function billing.refuse_change();

-- Mail of account statements and corrections: S and C come after the A of connector statements.
create table billing.mail_other partition of billing.mail for values from ('B') to (maxvalue);
create trigger mail_is_not_emptied before truncate on billing.mail_other
for each statement execute function billing.refuse_change();
