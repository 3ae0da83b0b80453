-- The money of a period that must agree between statements, ledger, attempts and gateway, by currency in major units,
-- for finance.tie_out, for record_tie_out().
create or replace function billing.tie_out_payments(p_run_id bigint)
returns table (check_id text, left_label text, left_value numeric, right_label text, right_value numeric)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_run billing.run;
begin
    select * into strict v_run from billing.run r where r.run_id = p_run_id;
    return query
    with statement as (
        select s.*, r.balance_minor, r.paid_minor from billing.statement s join billing.receivable r using (statement_id)
        where s.kind = 'connector' and s.period = v_run.period
    ), corrected as (
        select corrects_statement_id as statement_id, sum(total_minor) as total_minor
        from billing.statement where kind = 'correction' and corrects_statement_id in (select statement_id from statement)
        group by 1
    ), posted as (
        select t.statement_id,
               sum(case t.debit_account when 'receivable' then amount_minor else -amount_minor end)
                   filter (where t.kind in ('issue', 'tax', 'correction', 'correction_tax'))
                   as charged,
               sum(amount_minor) filter (where t.kind = 'refund') as refunded,
               sum(case t.kind when 'undo_write_off' then -amount_minor else amount_minor end)
                   filter (where t.kind in ('goodwill', 'write_off', 'undo_write_off')) as given_up,
               sum(case t.kind when 'write_off' then amount_minor when 'undo_write_off' then -amount_minor end)
                   as written_off,
               sum(amount_minor) filter (where t.kind = 'payment') as cash,
               sum(case t.kind when 'paid_outside' then amount_minor when 'paid_outside_reversal' then -amount_minor
                               when 'refund_outside' then -amount_minor end) as outside
        from billing.transfer t where t.statement_id in (select statement_id from statement) group by 1
    ), attempted as (
        select statement_id, sum(amount_minor) as minor from billing.payment_attempt
        where outcome = 'succeeded' and statement_id in (select statement_id from statement) group by 1
    ), marked as (
        select statement_id, sum(amount_minor) as minor from billing.paid_outside p
        where statement_id in (select statement_id from statement) and not exists (
            select from billing.paid_outside_reversal r where r.paid_outside_id = p.paid_outside_id)
        group by 1
    ), adjusted as (
        select a.statement_id,
               sum(case a.kind when 'write_off' then a.amount_minor when 'undo_write_off' then -a.amount_minor end)
                   as written_off,
               sum(a.amount_minor) filter (where a.kind = 'refund_outside') as sent_back,
               sum(case a.kind when 'goodwill' then -a.amount_minor when 'extra_debit' then a.amount_minor end)
                   as by_hand,
               sum(c.total_minor) as issued
        from billing.adjustment a left join billing.statement c on c.statement_id = a.correction_id
        where a.statement_id in (select statement_id from statement) group by 1
    ), acknowledged as (
        select statement_id, sum(amount_minor) as minor from billing.payment_return
        where statement_id in (select statement_id from statement) group by 1
    ), at_gateway as (
        -- A recorded payment counts in full; any other one less what was given back (refunded, or lost in a dispute) or
        -- booked by hand.
        select s.statement_id, g.amount_minor, r.returned_minor, o.booked_minor,
               exists (select from billing.payment_attempt a
                       where a.gateway_payment_id = g.gateway_payment_id and a.outcome = 'succeeded') as is_recorded
        from statement s
        join billing.gateway_payment g on g.statement_id = s.statement_id and g.currency = s.currency
        cross join lateral (
            select g.refunded_minor + case when g.dispute = 'lost'
                                           then least(g.disputed_minor, g.amount_minor - g.refunded_minor)
                                           else 0 end as returned_minor) r
        cross join lateral (
            select coalesce(sum(p.amount_minor), 0) as booked_minor from billing.paid_outside p
            where p.reference = g.gateway_payment_id and p.statement_id = s.statement_id and not exists (
                select from billing.paid_outside_reversal r where r.paid_outside_id = p.paid_outside_id)) o
        where g.outcome = 'succeeded' and g.gone_at is null
    ), listed as (
        -- What another payment has too much is even with what was given back of the recorded ones and isn't
        -- acknowledged: one of two was refunded.
        select statement_id,
               recorded_minor + others_minor - greatest(0, least(others_minor, returned_minor)) as minor
        from (select g.statement_id, coalesce(sum(g.amount_minor) filter (where g.is_recorded), 0) as recorded_minor,
                     coalesce(sum(g.amount_minor - g.returned_minor - g.booked_minor) filter (where not g.is_recorded), 0)
                         as others_minor,
                     coalesce(sum(g.returned_minor) filter (where g.is_recorded), 0) - coalesce(max(k.minor), 0)
                         as returned_minor
              from at_gateway g left join acknowledged k on k.statement_id = g.statement_id group by g.statement_id) g
    ), differing as (
        select currency, count(*) as statements from billing.standing_difference where period = v_run.period group by currency
    ), listed_due as (
        select currency, sum(balance_minor) as minor from billing.statement_sum
        where kind = 'connector' and period = v_run.period group by currency
    ), figure as (
        select s.currency, s.minor_unit, sum(s.total_minor + coalesce(c.total_minor, 0)) as total,
               sum(coalesce(p.charged, 0)) as charged, sum(coalesce(p.cash, 0)) as cash,
               sum(coalesce(p.outside, 0)) as outside, sum(coalesce(a.minor, 0)) as attempted,
               sum(coalesce(m.minor, 0) - coalesce(j.sent_back, 0)) as marked, sum(coalesce(l.minor, 0)) as listed,
               sum(coalesce(p.written_off, 0)) as written_off, sum(coalesce(j.written_off, 0)) as on_record,
               sum(coalesce(j.by_hand, 0)) as by_hand, sum(coalesce(j.issued, 0)) as issued,
               count(j.statement_id) as adjusted,
               sum(coalesce(p.refunded, 0)) as refunded, sum(coalesce(k.minor, 0)) as acknowledged,
               sum(s.paid_minor + s.balance_minor + coalesce(p.given_up, 0)) as settled,
               sum(s.balance_minor) as due, count(*) as statements
        from statement s
        left join posted p using (statement_id)
        left join corrected c using (statement_id)
        left join attempted a using (statement_id)
        left join marked m using (statement_id)
        left join listed l using (statement_id)
        left join acknowledged k using (statement_id)
        left join adjusted j using (statement_id)
        group by s.currency, s.minor_unit
    )
    select k.check_id || '-' || f.currency, k.left_label || ', ' || f.currency,
           round(k.left_minor / power(10::numeric, f.minor_unit), f.minor_unit), k.right_label || ', ' || f.currency,
           round(k.right_minor / power(10::numeric, f.minor_unit), f.minor_unit)
    from figure f cross join lateral (values
        ('ledger', 'Total of all statements and corrections', f.total, 'Charged to receivables, by the ledger', f.charged),
        ('collected', 'Collected by the gateway, by the ledger', f.cash, 'Succeeded attempts', f.attempted),
        ('gateway', 'Succeeded attempts', f.attempted, 'Payments that the gateway lists', f.listed),
        ('outside', 'Paid by other means, by the ledger', f.outside, 'Marked as paid, less what was sent back', f.marked),
        ('outstanding', 'Charged to receivables, by the ledger', f.charged, 'Paid, and still due', f.settled),
        ('listed', 'Still due, by the ledger', f.due, 'Still due, as the list of statements adds it up',
         coalesce((select minor from listed_due l where l.currency = f.currency), 0)),
        ('refunded', 'Given back by the gateway, by the ledger', f.refunded, 'Refunds and lost disputes acknowledged',
         f.acknowledged),
        ('written-off', 'Written off, by the ledger', f.written_off, 'Write-offs that aren''t undone', f.on_record),
        ('by-hand', 'Credits and debits by hand', f.by_hand, 'Corrections issued for them', f.issued)
    ) as k (check_id, left_label, left_minor, right_label, right_minor)
    where k.check_id not in ('refunded', 'written-off', 'by-hand') or k.left_minor <> 0 or k.right_minor <> 0
       or k.check_id <> 'refunded' and f.adjusted > 0
    union all
    select 'standing-' || f.currency, 'Connector statements, ' || f.currency, f.statements,
           'Connector statements that the list has as the ledger has them, ' || f.currency,
           f.statements - coalesce((select statements from differing d where d.currency = f.currency), 0)
    from figure f
    order by 1;
end
$$;
