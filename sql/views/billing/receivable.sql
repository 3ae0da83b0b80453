-- The balance of each connector statement: due, paid so far, and how the last payment was made. A payment that was
-- undone, or that the gateway gave back whole, counts neither as paid nor as the last one. `last_way` is write_off as
-- long as something is written off: that was no payment, and what is due is none either.
create or replace view billing.receivable as
select s.statement_id, s.account_id, s.currency, s.minor_unit, s.statement_date, m.balance_minor, m.paid_minor,
       m.last_way
from billing.statement s
cross join lateral (
    select coalesce(sum(case t.debit_account when 'receivable' then t.amount_minor else -t.amount_minor end), 0)::bigint
               as balance_minor,
           coalesce(sum(case when t.kind in ('paid_outside_reversal', 'refund', 'refund_outside')
                             then -t.amount_minor
                             else t.amount_minor end)
                        filter (where t.kind in ('payment', 'paid_outside', 'paid_outside_reversal', 'refund',
                                                 'refund_outside')),
                    0)::bigint
               as paid_minor,
           case when sum(case t.kind when 'write_off' then t.amount_minor when 'undo_write_off' then -t.amount_minor
                         end) > 0 then 'write_off'
                else (array_agg(t.kind order by t.transfer_id desc) filter (
               where t.kind = 'payment' and t.amount_minor > (
                   select coalesce(sum(g.amount_minor), 0) from billing.payment_return g
                   where g.attempt_id = t.attempt_id)
               or t.kind = 'paid_outside' and not exists (
                   select from billing.paid_outside_reversal r where r.paid_outside_id = t.paid_outside_id)))[1] end
               as last_way
    from billing.transfer t where t.statement_id = s.statement_id) m
where s.kind = 'connector';
