-- The staged account statements beside what they must come to, in minor units, for the validation. A row per candidate,
-- all 0 if it gets no statement. In each pair, one column is added up from the items, `due_...` comes another way.
with item as (
    select i.account_id, sum(i.total_minor - i.settled_minor) as closing,
           sum(i.total_minor) filter (where i.item_kind = 'opening_balance') as opening,
           coalesce(sum(i.total_minor) filter (where i.item_kind in ('connector_statement', 'correction')), 0)
               as issued,
           count(*) filter (where i.item_kind = 'charge') as charges,
           coalesce(sum(i.total_minor) filter (where i.item_kind = 'charge'), 0) as charged,
           coalesce(sum(i.settled_minor) filter (where i.item_kind = 'charge'), 0) as settled,
           coalesce(sum(i.total_minor) filter (where i.item_kind = 'payment'
               or i.item_kind = 'paid_outside' and i.item_id like 'paid-outside-%%'), 0) as paid,
           coalesce(sum(i.total_minor) filter (
               where i.item_kind = 'paid_outside' and i.item_id like 'settled/%%'), 0) as since,
           count(*) filter (where (i.currency, i.minor_unit) is distinct from (a.currency, a.minor_unit))
               as foreign_items
    from {item} i
    left join {account} a on a.account_id = i.account_id
    group by i.account_id
), last_stated as (
    select s.account_id, s.total_minor from billing.statement s
    join (select account_id, max(period::text) as period from billing.statement where kind = 'account'
          group by 1) newest
      on newest.account_id = s.account_id and newest.period = s.period
    where s.kind = 'account'
), listed as (
    -- Charges that an earlier statement lists, as the platform has them now.
    select c.account_id, count(*) as charges, sum(c.net_amount + c.tax_amount) as total_amount,
           sum(c.settled_amount) as settled_amount
    from {charge} c join billing.account_statement_item l on l.item_kind = 'charge' and l.item_id = c.charge_id
    group by c.account_id
), altered as (
    select account_id,
           min(altered) || case when count(*) > 1 then format(' (and %%s more)', count(*) - 1) else '' end as says
    from {judged} where altered is not null group by account_id
)
select c.account_id,
       exists (select from {withheld} w where w.account_id = c.account_id) as is_withheld,
       coalesce(i.closing, 0)::bigint as closing,
       coalesce(i.opening, 0)::bigint as opening,
       case when i.account_id is null then 0 else coalesce(s.total_minor, 0) end::bigint as due_opening,
       coalesce(i.issued, 0)::bigint as issued,
       case when i.account_id is null then 0 else coalesce(f.issued_minor, 0) end::bigint as due_issued,
       coalesce(i.paid, 0)::bigint as paid,
       case when i.account_id is null then 0 else coalesce(f.paid_minor, 0) end::bigint as due_paid,
       coalesce(i.charges, 0)::bigint as charges,
       case when i.account_id is null then 0 else coalesce(n.charges, 0) - coalesce(l.charges, 0) end::bigint
           as due_charges,
       coalesce(i.charged, 0)::bigint as charged,
       case when i.account_id is null then 0
            else (coalesce(n.total_amount, 0) - coalesce(l.total_amount, 0)) * m.factor end::bigint
           as due_charged,
       coalesce(i.settled, 0)::bigint as settled,
       case when i.account_id is null then 0
            else (coalesce(n.settled_amount, 0) - coalesce(l.settled_amount, 0)) * m.factor end::bigint as due_settled,
       coalesce(i.opening + i.issued + i.charged - i.settled + i.paid + i.since, 0)::bigint as sum_of_kinds,
       coalesce(f.balance_minor + i.charged - i.settled + i.since, 0)::bigint as ledger_balance,
       coalesce(i.foreign_items, 0)::bigint as foreign_items,
       d.says as altered
from {candidate} c
left join item i using (account_id)
left join {figure} f using (account_id)
left join last_stated s using (account_id)
left join {counted} n using (account_id)
left join listed l using (account_id)
left join altered d using (account_id)
-- A look-up, because power() would take longer than all the rest.
cross join lateral (select ('{{1,10,100,1000,10000}}'::numeric[])[1 + greatest(c.minor_unit, 0)] as factor) m
order by c.account_id collate "C";
