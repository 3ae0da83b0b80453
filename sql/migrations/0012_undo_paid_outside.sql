-- Undo of a mistaken Mark as Paid: a reversing entry that names the payment it takes back, whole and once. What was
-- recorded stays. For the DAG undo_mark_as_paid. Why so: docs/decisions/0019.

create table billing.paid_outside_reversal (
    reversal_id bigint generated always as identity primary key,
    -- Given by who asks: the same request again is the same undo.
    request_id text not null unique,
    paid_outside_id bigint not null constraint reversed_once unique,
    statement_id text not null,
    actor text not null check (actor <> ''),
    reason text not null check (reason <> ''),
    recorded_at timestamptz not null default clock_timestamp(),
    foreign key (paid_outside_id, statement_id) references billing.paid_outside (paid_outside_id, statement_id)
);
comment on table billing.paid_outside_reversal is 'One row per payment marked by mistake that was undone';
create index paid_outside_reversal_statement on billing.paid_outside_reversal (statement_id);
create trigger reversal_is_immutable before update or delete on billing.paid_outside_reversal
    for each row execute function billing.refuse_change();
create trigger reversal_is_not_emptied before truncate on billing.paid_outside_reversal
    for each statement execute function billing.refuse_change();

-- Drafts that lie numbered have the ledger's constraints of before and can't be attached any more. Without them a run
-- publishes one by one, with the same statements.
do $$
declare
    v_table text;
begin
    for v_table in
        select c.relname from pg_class c
        where c.relnamespace = 'staging'::regnamespace and c.relkind = 'r' and c.relname ~ '^run_[0-9]+_(issue|posting)$'
    loop
        execute format('drop table staging.%I', v_table);
    end loop;
end
$$;

alter table billing.transfer
    drop constraint kind_names_its_accounts,
    drop constraint payment_is_named,
    add constraint kind_names_its_accounts check ((kind, debit_account, credit_account) in (
        ('issue', 'receivable', 'revenue'),
        ('tax', 'receivable', 'tax'),
        ('payment', 'cash', 'receivable'),
        ('paid_outside', 'paid_outside', 'receivable'),
        ('paid_outside_reversal', 'receivable', 'paid_outside'),
        ('correction', 'receivable', 'revenue'),
        ('correction', 'revenue', 'receivable'),
        ('correction_tax', 'receivable', 'tax'),
        ('correction_tax', 'tax', 'receivable'))),
    add constraint payment_is_named check (
        (kind = 'payment') = (attempt_id is not null)
        and (kind in ('paid_outside', 'paid_outside_reversal')) = (paid_outside_id is not null));

-- A payment is posted once, and taken back once.
drop index billing.paid_outside_posted_once;
create unique index paid_outside_posted_once on billing.transfer (statement_id, paid_outside_id, kind)
    where paid_outside_id is not null;

-- As before, with the index above.
create or replace function billing.key_issue_tables(p_schema text, p_statement text, p_transfer text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    execute format(
        'alter table %1$I.%2$I
             add constraint %3$I primary key (statement_id),
             add constraint %4$I unique (account_id, period, kind, revision),
             add constraint %5$I unique (period, kind, number)',
        p_schema, p_statement, 'one_per_id_' || p_statement, 'one_per_kind_account_period_revision_' || p_statement,
        'one_per_number_' || p_statement);
    execute format('create index on %I.%I (corrects_statement_id) where corrects_statement_id is not null',
                   p_schema, p_statement);
    execute format('alter table %I.%I add primary key (statement_id, entry)', p_schema, p_transfer);
    execute format('create unique index on %I.%I (statement_id, correction_id, kind) where correction_id is not null',
                   p_schema, p_transfer);
    execute format('create unique index on %I.%I (statement_id, attempt_id) where attempt_id is not null',
                   p_schema, p_transfer);
    execute format('create unique index on %I.%I (statement_id, paid_outside_id, kind) where paid_outside_id is not null',
                   p_schema, p_transfer);
end
$$;

-- A reversal takes back all of a payment that is on record as undone, whoever posts it.
create function billing.refuse_other_reversal() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (
        select from billing.paid_outside p join billing.paid_outside_reversal r using (paid_outside_id)
        where p.paid_outside_id = new.paid_outside_id
          and (p.amount_minor, p.currency) = (new.amount_minor, new.currency)) then
        raise exception 'a reversal of % minor units of paid-outside-%: that payment isn''t undone, or isn''t as much',
            new.amount_minor, new.paid_outside_id
            using errcode = 'EV004', hint = 'a payment is undone whole';
    end if;
    return null;
end
$$;
create trigger reversal_is_of_a_whole_payment after insert on billing.transfer
    for each row when (new.kind = 'paid_outside_reversal') execute function billing.refuse_other_reversal();

-- As before; what was undone is neither paid nor the last way.
create or replace view billing.receivable as
select s.statement_id, s.account_id, s.currency, s.minor_unit, s.statement_date, m.balance_minor, m.paid_minor, m.last_way
from billing.statement s
cross join lateral (
    select coalesce(sum(case t.debit_account when 'receivable' then t.amount_minor else -t.amount_minor end), 0)::bigint
               as balance_minor,
           coalesce(sum(case t.kind when 'paid_outside_reversal' then -t.amount_minor else t.amount_minor end)
                        filter (where t.kind in ('payment', 'paid_outside', 'paid_outside_reversal')), 0)::bigint
               as paid_minor,
           (array_agg(t.kind order by t.transfer_id desc) filter (
               where t.kind = 'payment' or t.kind = 'paid_outside' and not exists (
                   select from billing.paid_outside_reversal r where r.paid_outside_id = t.paid_outside_id)))[1]
               as last_way
    from billing.transfer t where t.statement_id = s.statement_id) m
where s.kind = 'connector';

-- On account statements an undo is an item of the payment's kind that raises the balance again.
alter table billing.account_statement_item
    drop constraint payments_lower_the_balance,
    add constraint payments_lower_the_balance check (
        case when item_kind = 'paid_outside' and item_id like 'paid-outside-%-undone' then total_minor > 0
             else item_kind not in ('payment', 'paid_outside') or total_minor < 0 end);

-- As before, and what was undone.
create or replace view billing.unstated_item as
select 'connector_statement' as item_kind, s.statement_id as item_id, s.period::text as period, s.account_id,
       s.issued_at as occurred_at, 'Connector statement ' || s.statement_id as description, s.currency, s.minor_unit,
       s.net_minor, s.tax_minor, s.total_minor
from billing.statement s
where s.kind = 'connector' and not exists (
    select from billing.account_statement_item i where i.item_kind = 'connector_statement' and i.item_id = s.statement_id)
union all
select 'correction', s.statement_id, s.period, s.account_id, s.issued_at,
       'Correction of ' || s.corrects_statement_id, s.currency, s.minor_unit, s.net_minor, s.tax_minor, s.total_minor
from billing.statement s
where s.kind = 'correction' and not exists (
    select from billing.account_statement_item i where i.item_kind = 'correction' and i.item_id = s.statement_id)
union all
select 'payment', a.gateway_payment_id, s.period, s.account_id, a.settled_at, 'Payment of ' || s.statement_id,
       a.currency, a.minor_unit, -a.amount_minor, 0, -a.amount_minor
from billing.payment_attempt a join billing.statement s using (statement_id)
where a.outcome = 'succeeded' and not exists (
    select from billing.account_statement_item i where i.item_kind = 'payment' and i.item_id = a.gateway_payment_id)
union all
select 'paid_outside', 'paid-outside-' || p.paid_outside_id, s.period, s.account_id, p.recorded_at,
       'Payment of ' || s.statement_id || ' on ' || p.paid_on || ', ' || p.reference,
       p.currency, p.minor_unit, -p.amount_minor, 0, -p.amount_minor
from billing.paid_outside p join billing.statement s using (statement_id)
where not exists (
    select from billing.account_statement_item i
    where i.item_kind = 'paid_outside' and i.item_id = 'paid-outside-' || p.paid_outside_id)
union all
select 'paid_outside', 'paid-outside-' || p.paid_outside_id || '-undone', s.period, s.account_id, r.recorded_at,
       'Undone, booked by mistake: payment of ' || s.statement_id || ' on ' || p.paid_on || ', ' || p.reference,
       p.currency, p.minor_unit, p.amount_minor, 0, p.amount_minor
from billing.paid_outside_reversal r
join billing.paid_outside p using (paid_outside_id)
join billing.statement s on s.statement_id = p.statement_id
where not exists (
    select from billing.account_statement_item i
    where i.item_kind = 'paid_outside' and i.item_id = 'paid-outside-' || p.paid_outside_id || '-undone');

-- Takes back a payment that was marked as paid by mistake: all of it, once. p_paid_outside_id null: the statement's only
-- one that isn't undone yet. Returns which it was, its amount, and whether the undo is new (the same request again is
-- not). What is due again is among what is to be planned. Refuses with EV004 what can't be right.
create function billing.reverse_paid_outside(
    p_request_id text, p_statement_id text, p_paid_outside_id bigint, p_actor text, p_reason text,
    out paid_outside_id bigint, out amount_minor bigint, out is_new boolean)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_kind text;
    v_payment billing.paid_outside;
    v_reversal billing.paid_outside_reversal;
    v_standing bigint[];
    v_listed text;
    v_open bigint;
begin
    perform billing.lock_statements(array[p_statement_id]);
    select s.kind into v_kind from billing.statement s where s.statement_id = p_statement_id;
    if v_kind is null then
        raise exception 'there is no statement %', p_statement_id using errcode = 'EV004', hint = 'look up its id in finance.statements';
    end if;
    select * into v_reversal from billing.paid_outside_reversal r where r.request_id = p_request_id;
    is_new := v_reversal.reversal_id is null;
    if is_new then
        if v_kind <> 'connector' then
            raise exception '% is no connector statement', p_statement_id
                using errcode = 'EV004', hint = 'undo the payment of the connector statement that it lists';
        end if;
        select array_agg(o.paid_outside_id order by o.paid_outside_id),
               string_agg(format('paid-outside-%s (%s %s on %s, %s)', o.paid_outside_id,
                                 round(o.amount_minor / power(10::numeric, o.minor_unit), o.minor_unit), o.currency,
                                 o.paid_on, o.reference), '; ' order by o.paid_outside_id)
        into v_standing, v_listed
        from billing.paid_outside o
        where o.statement_id = p_statement_id and not exists (
            select from billing.paid_outside_reversal r where r.paid_outside_id = o.paid_outside_id);
        if p_paid_outside_id is not null then
            select * into v_payment from billing.paid_outside o
            where o.paid_outside_id = p_paid_outside_id and o.statement_id = p_statement_id;
            if v_payment.paid_outside_id is null then
                raise exception 'paid-outside-% is no payment of %', p_paid_outside_id, p_statement_id
                    using errcode = 'EV004', hint = 'see its payments in finance.payments';
            end if;
            select * into v_reversal from billing.paid_outside_reversal r where r.paid_outside_id = p_paid_outside_id;
            if v_reversal.reversal_id is not null then
                raise exception 'paid-outside-% of % was undone already, by % on %', p_paid_outside_id, p_statement_id,
                    v_reversal.actor, to_char(v_reversal.recorded_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
                    using errcode = 'EV004', hint = 'nothing is left to do';
            end if;
        elsif v_standing is null then
            raise exception 'no payment of % is marked as paid, or all are undone', p_statement_id
                using errcode = 'EV004', hint = 'see its payments in finance.payments; what the gateway collected is refunded there';
        elsif cardinality(v_standing) > 1 then
            raise exception '% was marked as paid % times: %', p_statement_id, cardinality(v_standing), v_listed
                using errcode = 'EV004', hint = 'name the payment that is to be undone';
        else
            select * into v_payment from billing.paid_outside o where o.paid_outside_id = v_standing[1];
        end if;
        select a.attempt_id into v_open from billing.payment_attempt a
        where a.statement_id = p_statement_id and a.outcome in ('pending', 'unknown');
        if v_open is not null then
            raise exception 'a charge of % is under way (attempt %), and its outcome isn''t known yet', p_statement_id, v_open
                using errcode = 'EV004', hint = 'wait for it; payment_reconciliation settles what stays unknown';
        end if;
        -- Money that the gateway took for this very statement and we booked by hand: it would be charged a second time.
        if exists (select from billing.gateway_payment g
                   where g.gateway_payment_id = v_payment.reference and g.statement_id = p_statement_id
                     and g.currency = v_payment.currency and g.outcome = 'succeeded' and g.gone_at is null
                     and g.amount_minor > g.refunded_minor) then
            raise exception 'the gateway has collected paid-outside-% of %: it is its payment %', v_payment.paid_outside_id,
                p_statement_id, v_payment.reference
                using errcode = 'EV004', hint = 'refund it there first, and let payment_reconciliation see that';
        end if;
        insert into billing.paid_outside_reversal (request_id, paid_outside_id, statement_id, actor, reason)
        values (p_request_id, v_payment.paid_outside_id, p_statement_id, p_actor, p_reason)
        on conflict (request_id) do nothing returning * into v_reversal;
        if v_reversal.reversal_id is null then
            -- The same request for another statement was faster.
            select * into v_reversal from billing.paid_outside_reversal r where r.request_id = p_request_id;
            is_new := false;
        end if;
    end if;
    if not is_new and (v_reversal.statement_id <> p_statement_id
                       or v_reversal.paid_outside_id <> p_paid_outside_id) then
        raise exception 'the request % was for another payment already', p_request_id
            using errcode = 'EV004', hint = 'make a new request for each payment';
    end if;
    select * into strict v_payment from billing.paid_outside o where o.paid_outside_id = v_reversal.paid_outside_id;
    paid_outside_id := v_payment.paid_outside_id;
    amount_minor := v_payment.amount_minor;
    if is_new then
        insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, paid_outside_id)
        values ('paid_outside_reversal', p_statement_id, 'receivable', 'paid_outside', v_payment.amount_minor,
                v_payment.currency, v_payment.paid_outside_id);
        if billing.balance_minor(p_statement_id) > 0 then
            perform billing.plan_later(array[p_statement_id], 'a payment marked by mistake was undone');
        end if;
        insert into billing.audit_event (actor, action, subject_id, reason)
        values (p_actor, 'undo_mark_as_paid', p_statement_id, p_reason);
    end if;
end
$$;

revoke execute on all functions in schema billing from public;
grant execute on function billing.reverse_paid_outside(text, text, bigint, text, text) to evbilling_writer;
grant select on billing.paid_outside_reversal to evbilling_writer;
