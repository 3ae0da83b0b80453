-- Stages what the statements must come to by other ways than their items: by statements and ledger, less what earlier
-- account statements list. A row per candidate, for the validation. The caller reads in the snapshot of the items, so
-- that a later payment can't make the two differ.
create or replace function billing.stage_figures(p_run_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_stage text := 'account_run_' || p_run_id;
    v_period text;
begin
    select period into strict v_period from billing.run where run_id = p_run_id;
    execute format($q$
        create unlogged table staging.%1$I as
        with issued as (
            select s.account_id, sum(s.total_minor) as minor from billing.statement s
            where s.kind in ('connector', 'correction') and s.period <= %3$L group by 1
        ), ledger as (
            select s.account_id,
                   sum(case t.debit_account when 'receivable' then t.amount_minor else -t.amount_minor end)
                       as balance_minor,
                   coalesce(sum(case when t.kind in ('paid_outside_reversal', 'refund', 'refund_outside',
                                                    'undo_write_off') then -t.amount_minor
                                     else t.amount_minor end)
                                filter (where t.kind in ('payment', 'paid_outside', 'paid_outside_reversal', 'refund',
                                                         'goodwill', 'write_off', 'undo_write_off', 'refund_outside')),
                        0)
                       as paid_minor
            from billing.transfer t join billing.statement s on s.statement_id = coalesce(t.correction_id, t.statement_id)
            where s.period <= %3$L group by 1
        ), listed as (
            select account_id,
                   coalesce(sum(total_minor) filter (where item_kind in ('connector_statement', 'correction')), 0)
                       as issued_minor,
                   coalesce(sum(total_minor) filter (
                       where item_kind = 'payment' or item_kind = 'paid_outside' and item_id like 'paid-outside-%%'), 0)
                       as paid_minor,
                   coalesce(sum(total_minor - settled_minor) filter (where item_kind = 'charge'), 0) as charges_minor,
                   coalesce(sum(total_minor) filter (where item_kind = 'paid_outside' and item_id like 'settled/%%'), 0)
                       as since_minor
            from billing.account_statement_item group by 1
        )
        select a.account_id,
               (coalesce(i.minor, 0) - coalesce(l.issued_minor, 0))::bigint as issued_minor,
               (-coalesce(g.paid_minor, 0) - coalesce(l.paid_minor, 0))::bigint as paid_minor,
               (coalesce(g.balance_minor, 0) + coalesce(l.charges_minor, 0) + coalesce(l.since_minor, 0))::bigint
                   as balance_minor
        from staging.%2$I a
        left join issued i using (account_id)
        left join ledger g using (account_id)
        left join listed l using (account_id);
        grant select on staging.%1$I to evbilling_writer;
        $q$,
        v_stage || '_figure', v_stage || '_candidate', v_period);
end
$$;
