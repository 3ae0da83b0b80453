-- Records the outcomes of attempts; the arrays are parallel. A success posts its payment in the same transaction. A
-- settled outcome stays, so recording the same answer twice changes nothing; but a success that comes for an attempt
-- settled otherwise, or by another payment, becomes a break at once. An answer that was concluded from the gateway's
-- list names the claim that it was concluded on (the epoch: never claimed), and counts only while that is the last one:
-- the attempt may have been claimed and sent again. Null, or no array: the gateway itself has answered. `refused` says
-- that this request charged nothing; what was sent before with the same key may have, so an attempt that was claimed
-- twice becomes unknown instead. Returns the attempts that were changed, and those whose success is a break with its
-- kind.
create or replace function billing.record_outcomes(
    p_attempts bigint[], p_outcomes text[], p_gateway_ids text[], p_decline_codes text[], p_advice_codes text[],
    p_decline_classes text[], p_messages text[], p_claims timestamptz[] default null)
returns table (attempt_id bigint, statement_id text, outcome text, break_kind text)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_late bigint[];
    v_payments text[];
begin
    if (cardinality(p_outcomes), cardinality(p_gateway_ids), cardinality(p_decline_codes), cardinality(p_advice_codes),
        cardinality(p_decline_classes), cardinality(p_messages), coalesce(cardinality(p_claims), cardinality(p_attempts)))
           is distinct from (cardinality(p_attempts), cardinality(p_attempts), cardinality(p_attempts),
                             cardinality(p_attempts), cardinality(p_attempts), cardinality(p_attempts),
                             cardinality(p_attempts))
       or (select count(distinct a) from unnest(p_attempts) a) <> cardinality(p_attempts)
       or exists (select from unnest(p_outcomes) o
                  where (o in ('succeeded', 'declined', 'refused', 'unknown')) is distinct from true) then
        raise exception 'outcomes are recorded for different attempts, one answer each'
            using errcode = 'EV004';
    end if;
    perform billing.lock_statements(array(
        select p.statement_id from billing.payment_attempt p where p.attempt_id = any(p_attempts)));
    select array_agg(p.attempt_id), array_agg(a.gateway_id) into v_late, v_payments
    from unnest(p_attempts, p_outcomes, p_gateway_ids) as a (attempt_id, outcome, gateway_id)
    join billing.payment_attempt p on p.attempt_id = a.attempt_id
    where a.outcome = 'succeeded' and a.gateway_id is not null
      and (p.outcome in ('declined', 'refused') or p.outcome = 'succeeded' and p.gateway_payment_id <> a.gateway_id);
    return query
    with answer as (
        select a.attempt_id,
               case when a.outcome = 'refused' and p.claimed_at > p.sent_at then 'unknown' else a.outcome end as outcome,
               a.gateway_id, a.decline_code, a.advice_code, a.decline_class, a.message, a.claim
        from unnest(p_attempts, p_outcomes, p_gateway_ids, p_decline_codes, p_advice_codes, p_decline_classes,
                    p_messages, p_claims)
            as a (attempt_id, outcome, gateway_id, decline_code, advice_code, decline_class, message, claim)
        join billing.payment_attempt p on p.attempt_id = a.attempt_id
    ), settled as (
        update billing.payment_attempt p
        set outcome = a.outcome, gateway_payment_id = coalesce(a.gateway_id, p.gateway_payment_id),
            decline_code = a.decline_code, advice_code = a.advice_code, decline_class = a.decline_class,
            message = left(a.message, 1000),
            settled_at = case when a.outcome <> 'unknown' then clock_timestamp() end
        from answer a
        where p.attempt_id = a.attempt_id and p.outcome in ('pending', 'unknown')
          and (a.claim is null or a.claim = coalesce(p.claimed_at, 'epoch'))
          and (p.outcome <> a.outcome or p.gateway_payment_id is distinct from a.gateway_id and a.gateway_id is not null)
        returning p.attempt_id, p.statement_id, p.outcome, p.amount_minor, p.currency
    ), posted as (
        insert into billing.transfer (kind, statement_id, debit_account, credit_account, amount_minor, currency, attempt_id)
        select 'payment', s.statement_id, 'cash', 'receivable', s.amount_minor, s.currency, s.attempt_id
        from settled s where s.outcome = 'succeeded' order by s.attempt_id
        returning 1
    ), planned as (
        select billing.plan_later(array_agg(s.statement_id) filter (where s.outcome = 'declined'),
                                  'the charge was declined'),
               billing.plan_later(array_agg(s.statement_id) filter (where s.outcome = 'refused'),
                                  'it is still to be charged')
        from settled s
    )
    select s.attempt_id, s.statement_id, s.outcome, null::text from settled s cross join planned order by s.attempt_id;
    if v_late is not null then
        return query select u.attempt_id, u.statement_id, 'succeeded', u.kind
                     from billing.raise_unbooked(v_late, v_payments) u;
    end if;
end
$$;
