-- What number_drafts() has made of a run's drafts, as sums of every row: statements, postings, standings, their sums
-- and mail. Empty for a period that has statements already, whose drafts are published one by one.
create or replace function billing.seal_of(p_run_id bigint) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    return (select coalesce(string_agg(suffix || ': ' || billing.table_sums('run_' || p_run_id || suffix), '; '), '')
            from unnest(array['_issue', '_posting', '_standing', '_sum', '_mail']) suffix);
end
$$;
