-- The amounts of issued connector statements with their corrections, as far as these follow from inventory and
-- settings; credits and debits by hand are apart, in by_hand_minor. `corrections` counts all.
create or replace view billing.effective_statement as
select s.statement_id, s.period::text as period, s.account_id, s.currency, s.minor_unit,
       s.net_minor + coalesce(c.net_minor, 0) as net_minor, s.tax_minor + coalesce(c.tax_minor, 0) as tax_minor,
       s.total_minor + coalesce(c.total_minor, 0) as total_minor, coalesce(c.corrections, 0) as corrections,
       coalesce(c.by_hand_minor, 0) as by_hand_minor
from billing.statement s
left join lateral (
    select sum(k.net_minor) filter (where a.kind is null)::bigint as net_minor,
           sum(k.tax_minor) filter (where a.kind is null)::bigint as tax_minor,
           sum(k.total_minor) filter (where a.kind is null)::bigint as total_minor, count(*)::integer as corrections,
           sum(k.total_minor) filter (where a.kind is not null)::bigint as by_hand_minor
    from billing.statement k left join billing.adjustment a on a.correction_id = k.statement_id
    where k.corrects_statement_id = s.statement_id) c on true
where s.kind = 'connector' and s.revision = 0;
