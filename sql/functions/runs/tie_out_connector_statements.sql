-- The figures that must agree once a run has closed, each counted in two ways, for record_tie_out().
create or replace function billing.tie_out_connector_statements(p_run_id bigint)
returns table (check_id text, left_label text, left_value numeric, right_label text, right_value numeric)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    v_run billing.run;
begin
    select * into strict v_run from billing.run r where r.run_id = p_run_id;
    return query
    with decision as (
        select d.account_id, d.rule_id is null as is_billed, count(*) as connectors, sum(unit_price_minor) as net_minor
        from billing.connector_decision d where d.period = v_run.period group by 1, 2
    ), statement as (
        select * from billing.statement where kind = 'connector' and revision = 0 and period = v_run.period
    ), by_currency as (
        select s.currency, s.minor_unit, sum(s.net_minor) as net_minor, sum(s.total_minor) as total_minor,
               coalesce(sum(d.net_minor), 0) as lines_minor
        from statement s left join decision d on d.account_id = s.account_id and d.is_billed
        group by s.currency, s.minor_unit
    ), unbilled as (
        select count(distinct account_id) as accounts from billing.unbilled_account
        where period = v_run.period and resolved_by_run_id is null
    )
    select 'connectors-decided' as check_id,
           'Connectors extracted' as left_label, (v_run.facts ->> 'extracted')::numeric as left_value,
           'Connectors decided, and held with quarantined accounts' as right_label,
           (select coalesce(sum(connectors), 0) from decision) + (v_run.facts ->> 'held')::numeric as right_value
    union all
    select 'connectors-billed',
           'Connectors billed, by decisions', (select coalesce(sum(connectors), 0) from decision where is_billed),
           'Connectors billed, by statements', (select coalesce(sum(ac_count + dc_count), 0) from statement)
    union all
    select 'accounts-settled',
           'Accounts with billing on', (v_run.facts ->> 'accounts')::numeric,
           'Statements and unbilled accounts', (select count(*) from statement) + (select accounts from unbilled)
    union all
    select 'numbers-gapless',
           'Highest statement number', (select coalesce(max(number), 0) from statement),
           'Statements', (select count(*) from statement)
    union all
    select 'net-' || currency,
           'Net of all lines, ' || currency, round(lines_minor / power(10::numeric, minor_unit), minor_unit),
           'Net of all statements, ' || currency, round(net_minor / power(10::numeric, minor_unit), minor_unit)
    from by_currency
    order by 1;
end
$$;
