-- Records the outcomes of attempts; the arrays are parallel. A success posts its payment in the same transaction. A
-- settled outcome stays, so recording the same answer twice changes nothing. Returns the attempts that were changed.
create or replace function billing.record_outcomes(
    p_attempts bigint[], p_outcomes text[], p_gateway_ids text[], p_decline_codes text[], p_advice_codes text[],
    p_decline_classes text[], p_messages text[])
returns table (attempt_id bigint, statement_id text, outcome text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    if (cardinality(p_outcomes), cardinality(p_gateway_ids), cardinality(p_decline_codes), cardinality(p_advice_codes),
        cardinality(p_decline_classes), cardinality(p_messages))
           is distinct from (cardinality(p_attempts), cardinality(p_attempts), cardinality(p_attempts),
                             cardinality(p_attempts), cardinality(p_attempts), cardinality(p_attempts))
       or (select count(distinct a) from unnest(p_attempts) a) <> cardinality(p_attempts)
       or exists (select from unnest(p_outcomes) o
                  where (o in ('succeeded', 'declined', 'unknown')) is distinct from true) then
        raise exception 'outcomes are recorded for different attempts, one answer each'
            using errcode = 'EV004';
    end if;
    perform billing.lock_statements(array(
        select p.statement_id from billing.payment_attempt p where p.attempt_id = any(p_attempts)));
    return query
    with answer as (
        select * from unnest(p_attempts, p_outcomes, p_gateway_ids, p_decline_codes, p_advice_codes, p_decline_classes,
                             p_messages)
            as a (attempt_id, outcome, gateway_id, decline_code, advice_code, decline_class, message)
    ), settled as (
        update billing.payment_attempt p
        set outcome = a.outcome, gateway_payment_id = coalesce(a.gateway_id, p.gateway_payment_id),
            decline_code = a.decline_code, advice_code = a.advice_code, decline_class = a.decline_class,
            message = left(a.message, 1000),
            settled_at = case when a.outcome <> 'unknown' then clock_timestamp() end
        from answer a
        where p.attempt_id = a.attempt_id and p.outcome in ('pending', 'unknown')
          and (p.outcome <> a.outcome or p.gateway_payment_id is distinct from a.gateway_id and a.gateway_id is not null)
        returning p.attempt_id, p.statement_id, p.outcome, p.amount_minor, p.currency
    ), posted as (
        insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, attempt_id)
        select 'payment', s.statement_id, 'cash', 'receivable', s.amount_minor, s.currency, s.attempt_id
        from settled s where s.outcome = 'succeeded' order by s.attempt_id
        returning 1
    ), planned as (
        select billing.plan_later(array_agg(s.statement_id), 'the charge was declined')
        from settled s where s.outcome = 'declined'
    )
    select s.attempt_id, s.statement_id, s.outcome from settled s cross join planned order by s.attempt_id;
end
$$;
