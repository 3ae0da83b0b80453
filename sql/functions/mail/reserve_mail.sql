-- Reserves up to `p_most` messages that wait and are due for `p_sender`, until the lease ends: nobody else prepares
-- or sends them meanwhile. Null kinds, period or accounts:
-- any. A notice of a charge that is paid by now is no longer true and
-- is held.
create or replace function billing.reserve_mail(
    p_sender text, p_most integer, p_lease interval, p_kinds text[], p_period text,
    p_accounts text[]
)
returns table (
    mail_id bigint, kind text, statement_id text, attempt_no integer, account_id text, financial_admin_id text,
    tries integer
)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    return query
    with free as (
        select m.mail_id, m.kind, m.statement_id from billing.mail m
        where m.state = 'pending' and m.not_before <= clock_timestamp()
          and (m.reserved_until is null or m.reserved_until < clock_timestamp())
          and (p_kinds is null or m.kind = any(p_kinds)) and (p_period is null or m.period = p_period)
          and (p_accounts is null or m.account_id = any(p_accounts))
        order by m.mail_id limit p_most for update skip locked
    ), judged as (
        select f.mail_id, f.kind = 'failed_charge' and billing.balance_minor(f.statement_id) <= 0 as is_paid from free f
    ), taken as (
        update billing.mail m
        set sender = p_sender, reserved_until = clock_timestamp() + p_lease,
            state = case when j.is_paid then 'held' else m.state end,
            last_error = case when j.is_paid then 'nothing is due any more, so no notice is needed'
                              else m.last_error end
        from judged j where m.mail_id = j.mail_id
        returning m.mail_id, m.kind, m.statement_id, m.attempt_id, m.account_id, m.financial_admin_id, m.tries, m.state
    )
    select t.mail_id, t.kind, t.statement_id, a.attempt_no, t.account_id, t.financial_admin_id, t.tries
    from taken t left join billing.payment_attempt a on a.attempt_id = t.attempt_id
    where t.state = 'pending' order by t.mail_id;
end
$$;
