-- Inserts a run's drafts of accounts without a statement into the period, numbered from the one after `p_last` in
-- order of their accounts; returns how many. `p_only`: of these accounts alone; null: all. The caller has the period's
-- counter locked.
create or replace function billing.add_statements(p_run_id bigint, p_last integer, p_only text[]) returns integer
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_draft text := 'run_' || p_run_id || '_statement';
    v_period text;
    v_version text;
    v_statements integer;
begin
    select period, code_version into strict v_period, v_version from billing.run where run_id = p_run_id;
    execute format('select billing.open_period(%L) where exists (select from staging.%I)', v_period, v_draft);
    execute format($q$
        insert into billing.statement (
            statement_id, kind, period, account_id, number, run_id, account_name, financial_admin_id, time_zone,
            count_instant, statement_date, currency, minor_unit, setting_id, fee_minor, dc_fee_minor, exclude_closed,
            exclude_private, tax_rate, ac_count, dc_count, net_minor, tax_minor, total_minor, code_version)
        select 'A-' || replace(%2$L, '-', '') || '-' || lpad(n::text, greatest(6, length(n::text)), '0'),
               'connector', %2$L, account_id, n, %3$s, account_name, financial_admin_id, time_zone, count_instant,
               (%2$L || '-01')::date, currency, minor_unit, setting_id, fee_minor, dc_fee_minor, exclude_closed,
               exclude_private, tax_rate, ac_count, dc_count, net_minor, tax_minor, total_minor, %4$L
        from (select d.*, $1 + row_number() over (order by d.account_id collate "C") as n
              from staging.%1$I d
              where ($2 is null or d.account_id = any($2))
                and not exists (select from billing.statement s where s.kind = 'connector' and s.period = %2$L
                                  and s.account_id = d.account_id)) numbered $q$,
        v_draft, v_period, p_run_id, v_version) using p_last, p_only;
    get diagnostics v_statements = row_count;
    return v_statements;
end
$$;
