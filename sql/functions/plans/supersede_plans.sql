-- Marks the plans of a period that aren't issued as superseded by what a run stages now, and drops what those have for
-- each account that nobody has decided on; their sums stay.
create or replace function billing.supersede_plans(p_period text, p_run_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    with gone as (
        update billing.plan set superseded_at = now(), superseded_by_run_id = p_run_id
        where period = p_period and issued_at is null and superseded_at is null
        returning plan_id
    ), undecided as (
        select plan_id from gone where plan_id not in (select plan_id from billing.plan_decision)
    ), accounts as (
        delete from billing.plan_account where plan_id in (select plan_id from undecided)
    )
    delete from billing.plan_change where plan_id in (select plan_id from undecided);
end
$$;
