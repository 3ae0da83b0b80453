-- The postings that were posted before an instant and are in no export. Found by the ids that no export has, so its
-- cost goes by what is left and not by the size of the ledger.
create or replace function billing.transfers_to_export(p_before timestamptz) returns setof billing.transfer
language sql stable set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
select t.*
from unnest('{(,)}'::int8multirange - coalesce((select range_agg(e.transfers) from billing.journal_export e), '{}'))
    as free (ids)
join billing.transfer t
    on t.transfer_id >= coalesce(lower(free.ids), 0) and t.transfer_id < coalesce(upper(free.ids), 9223372036854775807)
where t.posted_at < p_before
$$;
