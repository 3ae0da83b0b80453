-- The lowest id of a period's connector statements, or of the period `p_months` months later.
create or replace function billing.statement_range(p_period text, p_months integer) returns text
language sql immutable security definer set search_path = pg_catalog, pg_temp
return 'A-' || to_char((p_period || '-01')::date + p_months * interval '1 month', 'YYYYMM') || '-';
