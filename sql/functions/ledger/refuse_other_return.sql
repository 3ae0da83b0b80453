-- A refund or its crediting is posted as it is on record, whoever posts it, and no payment is given back beyond its
-- amount.
create or replace function billing.refuse_other_return() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if not exists (
        select from billing.payment_return r
        where r.return_id = new.return_id
          and (r.statement_id, r.amount_minor, r.currency) = (new.statement_id, new.amount_minor, new.currency)
          and (new.kind = 'refund' or not r.is_due_again)) then
        raise exception '% of % minor units on %: no such refund is acknowledged', new.kind, new.amount_minor,
            new.statement_id using errcode = 'EV004', hint = 'acknowledge_refund posts it';
    end if;
    if exists (
        select from billing.payment_return r join billing.payment_attempt a using (attempt_id)
        where r.attempt_id = (select o.attempt_id from billing.payment_return o where o.return_id = new.return_id)
        group by a.attempt_id having sum(r.amount_minor) > a.amount_minor or bool_or(a.outcome <> 'succeeded')) then
        raise exception 'more would be given back on % than was paid', new.statement_id
            using errcode = 'EV004', hint = 'see its payments in finance.payments';
    end if;
    return null;
end
$$;
