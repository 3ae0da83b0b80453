-- The amounts of issued connector statements with their corrections.
create or replace view billing.effective_statement as
select s.statement_id, s.period::text as period, s.account_id, s.currency, s.minor_unit,
       s.net_minor + coalesce(c.net_minor, 0) as net_minor, s.tax_minor + coalesce(c.tax_minor, 0) as tax_minor,
       s.total_minor + coalesce(c.total_minor, 0) as total_minor, coalesce(c.corrections, 0) as corrections
from billing.statement s
left join lateral (
    select sum(k.net_minor)::bigint as net_minor, sum(k.tax_minor)::bigint as tax_minor,
           sum(k.total_minor)::bigint as total_minor, count(*)::integer as corrections
    from billing.statement k where k.corrects_statement_id = s.statement_id) c on true
where s.kind = 'connector' and s.revision = 0;
