-- Issued statements of all kinds: connector statements (A-...), account statements (S-...) and corrections (C-...).
--
-- Partitioned by the range of statement ids, which begin with kind and period. The partition of a period's connector
-- statements is numbered, checked and keyed in staging, and publishing attaches it: see billing.number_drafts and
-- billing.publish_connector_statements, and docs/decisions/0015 for the measurements.
-- requires: functions/audit/refuse_change.sql
-- requires: functions/statements/require_run_and_setting.sql
-- requires: functions/ledger/post_issued.sql
-- requires: functions/payments/refuse_correction_under_way.sql
-- requires: functions/standings/list_issued.sql
-- requires: functions/standings/account_key.sql
-- requires: functions/standings/major.sql

create table billing.statement (
    statement_id text not null,
    kind text not null constraint statement_kind check (kind in ('connector', 'account', 'correction')),
    period billing.period not null,
    account_id text not null,
    revision smallint not null default 0 check (revision >= 0),
    number integer not null check (number > 0),
    -- No foreign keys to the run, the setting and the statement that is corrected: each would look up every one of a
    -- hundred thousand rows. The trigger statement_names_run_and_setting looks all of them up at once; a correction's
    -- posting looks at what it corrects. None of the rows referred to ever goes: settings and statements are
    -- append-only, and run_with_statements_stays keeps the runs.
    run_id bigint not null,
    account_name text,
    financial_admin_id text not null,
    time_zone text not null,
    count_instant timestamptz,
    statement_date date not null,
    currency text not null check (currency ~ '^[A-Z]{3}$'),
    minor_unit smallint not null check (minor_unit between 0 and 4),
    setting_id bigint,
    fee_minor bigint check (fee_minor >= 0),
    dc_fee_minor bigint check (dc_fee_minor >= 0),
    exclude_closed boolean,
    exclude_private boolean,
    tax_rate numeric(7, 6) not null,
    ac_count integer check (ac_count >= 0),
    dc_count integer check (dc_count >= 0),
    net_minor bigint not null,
    tax_minor bigint not null,
    total_minor bigint not null,
    corrects_statement_id text,
    code_version text not null,
    issued_at timestamptz not null default now(),
    primary key (statement_id),
    constraint statement_id_form check (
        statement_id = case kind when 'connector' then 'A' when 'account' then 'S' else 'C' end
        || '-' || replace(period, '-', '') || '-' || lpad(number::text, greatest(6, length(number::text)), '0')
    ),
    constraint total_is_net_and_tax check (total_minor = net_minor + tax_minor),
    constraint connector_statement_adds_up check (kind <> 'connector' or (
        net_minor = ac_count * fee_minor + dc_count * dc_fee_minor
        and total_minor > 0 and tax_minor >= 0 and count_instant is not null and setting_id is not null
    )),
    constraint tax_rounds_half_up_once check (kind <> 'connector' or tax_minor = floor(net_minor * tax_rate + 0.5)),
    constraint correction_names_its_original check ((kind = 'correction') = (corrects_statement_id is not null))
) partition by range (statement_id);
comment on table billing.statement is 'One row per issued statement; a partition per period of connector statements';
create index statement_corrections on billing.statement (corrects_statement_id) where corrects_statement_id is not null;

-- Account statements and corrections: S and C come after the A of connector statements, in every collation. What must
-- be unique is unique in each partition, and since a partition has one kind and period, or all of the others, in the
-- table.
create table billing.statement_other partition of billing.statement (
    constraint statement_of_other_kind check (kind <> 'connector'),
    constraint one_statement_per_kind_account_period_revision unique (account_id, period, kind, revision),
    constraint one_statement_per_number unique (period, kind, number)
) for values from ('B') to (maxvalue);
-- The orders in which the list of statements shows them; those of connector statements are in billing.standing.
create index statement_other_by_account on billing.statement_other
(kind, (billing.account_key(account_name, account_id) collate "C"), statement_id);
create index statement_other_by_total on billing.statement_other
(kind, billing.major(total_minor, minor_unit), statement_id);
create index statement_other_by_currency on billing.statement_other (kind, currency);

create trigger statement_is_immutable before update or delete on billing.statement
for each row execute function billing.refuse_change();
create trigger statement_is_not_emptied before truncate on billing.statement
for each statement execute function billing.refuse_change();
create trigger statement_names_run_and_setting after insert on billing.statement
referencing new table as issued for each statement execute function billing.require_run_and_setting();
create trigger statement_posts_itself after insert on billing.statement
referencing new table as issued for each statement execute function billing.post_issued();
create trigger statement_waits_for_charges after insert on billing.statement
referencing new table as issued for each statement execute function billing.refuse_correction_under_way();
create trigger statement_is_listed after insert on billing.statement
referencing new table as issued for each statement execute function billing.list_issued();

-- Partitions don't inherit statement triggers: these guard writes that name the partition. billing.guard_part creates
-- those of a period's partition.
create trigger statement_is_not_emptied before truncate on billing.statement_other
for each statement execute function billing.refuse_change();
create trigger statement_names_run_and_setting after insert on billing.statement_other
referencing new table as issued for each statement execute function billing.require_run_and_setting();
create trigger statement_posts_itself after insert on billing.statement_other
referencing new table as issued for each statement execute function billing.post_issued();
create trigger statement_waits_for_charges after insert on billing.statement_other
referencing new table as issued for each statement execute function billing.refuse_correction_under_way();
create trigger statement_is_listed after insert on billing.statement_other
referencing new table as issued for each statement execute function billing.list_issued();

-- Numbers are assigned in the issuing transaction, under the lock of this row: gapless per kind and period.
create table billing.statement_counter (
    kind text not null,
    period billing.period not null,
    last_number integer not null check (last_number >= 0),
    primary key (kind, period)
);
