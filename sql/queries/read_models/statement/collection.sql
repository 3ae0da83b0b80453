-- How the collection of connector statements goes now: of one statement; or of those that an account statement, or an
-- earlier one of the account, lists and on which something is due. For letters.
with wanted as materialized (
    select s.statement_id, s.account_id, s.financial_admin_id, s.period, s.time_zone, s.currency, s.minor_unit,
           s.issued_at, r.balance_minor, r.paid_minor, r.last_way
    from billing.statement s join billing.receivable r using (statement_id)
    where s.statement_id = %(statement)s
    union all
    select s.statement_id, s.account_id, s.financial_admin_id, s.period, s.time_zone, s.currency, s.minor_unit,
           s.issued_at, r.balance_minor, r.paid_minor, r.last_way
    from billing.account_statement_item i
    join billing.statement s on s.statement_id = i.item_id
    join billing.receivable r on r.statement_id = i.item_id
    where i.account_id = %(account)s and i.item_kind = 'connector_statement'
      and i.statement_id <= %(account_statement)s and r.balance_minor > 0
)
select w.statement_id, w.account_id, w.financial_admin_id, w.period::text as period, w.time_zone, w.currency,
       w.issued_at,
       billing.major(w.balance_minor, w.minor_unit) as balance, billing.major(w.paid_minor, w.minor_unit) as paid,
       a.outcome as last_outcome, a.decline_code, a.payment_method as last_method,
       a.outcome is null and exists (
           select from billing.payment_attempt b where b.statement_id = w.statement_id) as was_refused,
       p.planned_at,
       w.balance_minor > 0 and exists (
           select from billing.unaccounted_payments(array[w.statement_id])) as has_unaccounted,
       exists (select from billing.charging_hold h where h.lifted_at is null) as is_on_hold,
       statement_timestamp() as as_of, coalesce(w.last_way = 'write_off', false) as is_written_off
from wanted w
left join billing.payment_plan p on p.statement_id = w.statement_id
left join lateral (
    select b.outcome, b.decline_code, b.payment_method from billing.payment_attempt b
    where b.statement_id = w.statement_id and b.outcome <> 'refused'
    order by b.attempt_no desc limit 1) a on true
order by w.statement_id;
