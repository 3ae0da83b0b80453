-- What was handed to the mail server: one row per try of a message, written in the transaction that begins the try. The
-- file is in the evidence store by then, so no mail can be sent whose letter isn't kept. Why it is so:
-- docs/decisions/0046-mail-is-kept-as-sent.md.
-- requires: functions/audit/refuse_change.sql

create table billing.mail_document (
    -- No foreign key: the number of a message is unique by its identity, not by a constraint (billing.mail).
    mail_id bigint not null,
    try_no integer not null check (try_no > 0),
    -- Its path in the evidence store, named after the SHA-256 of its bytes.
    file text not null constraint a_file_is_named_by_its_hash check (
        file ~ '^mail/[0-9]{4}-[0-9]{2}/[0-9a-f]{2}/[0-9a-f]{64}[.]eml$'
    ),
    size_bytes integer not null check (size_bytes > 0),
    begun_at timestamptz not null,
    primary key (mail_id, try_no)
);
comment on table billing.mail_document is 'One row per try of a message: the file with the bytes that the mail server was given';
create trigger mail_document_is_immutable before update or delete on billing.mail_document
for each row execute function billing.refuse_change();
create trigger mail_document_is_not_emptied before truncate on billing.mail_document
for each statement execute function billing.refuse_change();
