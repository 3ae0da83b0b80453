-- The payments of a statement that were marked as paid, undone ones too, with who did it and why, for the choice of
-- what to undo.
select 'paid-outside-' || p.paid_outside_id as payment_id, p.amount_minor, p.minor_unit, p.currency, p.paid_on,
       p.reference,
       p.actor, p.recorded_at, p.reason, r.actor as undone_by, r.recorded_at as undone_at, r.reason as undone_because
from billing.paid_outside p left join billing.paid_outside_reversal r using (paid_outside_id)
where p.statement_id = %(statement)s order by p.paid_outside_id;
