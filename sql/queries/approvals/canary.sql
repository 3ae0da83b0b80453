-- The canary of a plan: as planned, and what became of each statement once it is issued; the smallest of
-- each currency in turn, as choose_canary() chooses. Amounts are in minor units.
select c.account_id, coalesce(s.account_name, a.account_name) as account_name,
       coalesce(s.currency, a.currency) as currency, coalesce(s.minor_unit, a.minor_unit) as minor_unit,
       coalesce(s.total_minor, a.total_now_minor) as total_minor,
       coalesce(s.ac_count + s.dc_count, a.connectors_now) as connectors, s.statement_id, n.status::text as status,
       (select m.state from billing.mail m
        where m.statement_id = s.statement_id and m.kind = 'connector_statement' and m.occasion = 'issue') as mail,
       c.picked_by
from billing.plan_canary c
join billing.plan p using (plan_id)
left join billing.plan_account a on a.plan_id = c.plan_id and a.account_id = c.account_id and a.total_now_minor > 0
left join billing.statement s
  on s.kind = 'connector' and s.period = p.period and s.account_id = c.account_id and s.run_id = p.run_id
left join billing.standing n on n.statement_id = s.statement_id
where c.plan_id = %(plan_id)s
order by row_number() over (
    partition by coalesce(s.currency, a.currency)
    order by coalesce(s.total_minor, a.total_now_minor), c.account_id collate "C"),
    coalesce(s.total_minor, a.total_now_minor) / 10::numeric ^ coalesce(s.minor_unit, a.minor_unit),
    c.account_id collate "C"
