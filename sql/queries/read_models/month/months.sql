-- Every month that was begun, the newest first, for the list of months: connector statements and their connectors,
-- account statements, quarantined accounts, tie-out checks and those that differ, the state of the newest run of
-- connector statements, and whether only the canary is issued. Each table has few rows of a month.
with summed as (
    select period, sum(statements) filter (where kind = 'connector') as statements,
           sum(connectors) filter (where kind = 'connector') as connectors,
           sum(statements) filter (where kind = 'account') as account_statements
      from billing.statement_sum group by period
), held as (
    select period, count(distinct account_id) as accounts from finance.unbilled_accounts where is_quarantined
    group by period
), checked as (
    select period, count(*) as checks, count(*) filter (where not is_ok) as not_ok from finance.tie_out group by period
), run as (
    select distinct on (period) period::text as period, state from billing.run
     where dag_id = 'connector_statements' order by period, run_id desc
)
select period, coalesce(s.statements, 0)::bigint, coalesce(s.connectors, 0)::bigint,
       coalesce(s.account_statements, 0)::bigint, coalesce(h.accounts, 0), coalesce(c.checks, 0), coalesce(c.not_ok, 0),
       r.state, billing.is_partly_issued(period)
  from summed s full join run r using (period) left join held h using (period) left join checked c using (period)
 order by period desc;
