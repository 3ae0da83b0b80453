-- The totals of a period's decisions. Two copies with the same four figures are equal: the digest covers whole rows.
create or replace function billing.decision_sums(
    p_period text, out decisions bigint, out billed bigint, out unit_price_minor numeric, out digest numeric)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select count(*), count(*) filter (where d.rule_id is null), coalesce(sum(d.unit_price_minor), 0),
           coalesce(sum(hashtextextended(d::text, 0)::numeric), 0)
    from billing.connector_decision d where d.period = p_period;
$$;
