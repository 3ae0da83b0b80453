-- What is forgiven of a month, a row per account; of all months without a month. What was taken back isn't.
create or replace function billing.forgiven_in(p_period text default null) returns setof billing.forgiveness
language sql stable as $$
    select * from (
        select distinct on (f.period, f.account_id) f.* from billing.forgiveness f
        where p_period is null or f.period = p_period
        order by f.period, f.account_id, f.forgiveness_id desc
    ) newest
    where newest.is_forgiven
$$;
