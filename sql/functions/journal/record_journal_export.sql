-- Records an export: the postings that are in it, and its files, which are stored already. Returns its number. Refuses
-- with EV004 postings that the ledger doesn't have before `p_booked_before`, and such as another export has taken.
-- `p_files`: an array of objects with format, name, key, sha256 and size.
create or replace function billing.record_journal_export(
    p_period text, p_booked_before timestamptz, p_chart_id bigint, p_transfers int8multirange, p_files jsonb,
    p_made_at timestamptz, p_actor text, p_reason text)
returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
    v_asked bigint;
    v_found bigint;
    v_export_id bigint;
begin
    if coalesce(trim(p_actor), '') = '' or coalesce(trim(p_reason), '') = '' then
        raise exception 'an export is recorded with who and why' using errcode = 'EV004';
    elsif p_booked_before > p_made_at or p_made_at > clock_timestamp() then
        raise exception 'an export made at % can''t have what is booked before %', p_made_at, p_booked_before
            using errcode = 'EV004', hint = 'give the warehouse''s time';
    elsif lower_inf(p_transfers) or upper_inf(p_transfers) or isempty(p_transfers) then
        raise exception 'an export names its postings' using errcode = 'EV004', hint = 'give their ids';
    elsif jsonb_array_length(p_files) = 0 then
        raise exception 'an export has at least one file' using errcode = 'EV004';
    end if;
    -- One after the other, so that the second sees what the first has taken.
    lock table billing.journal_export in share row exclusive mode;
    if exists (select from billing.journal_export e where e.transfers && p_transfers) then
        raise exception 'another export has taken some of these postings meanwhile, so nothing was recorded'
            using errcode = 'EV004', hint = 'export the period again: it takes what is left';
    end if;
    select sum(upper(ids) - lower(ids)) into v_asked from unnest(p_transfers) as asked (ids);
    select count(*) into v_found
    from unnest(p_transfers) as asked (ids)
    join billing.transfer t on t.transfer_id >= lower(asked.ids) and t.transfer_id < upper(asked.ids)
    where t.posted_at < p_booked_before;
    if v_found <> v_asked then
        raise exception 'the export names % postings, and the ledger has % of them before %', v_asked, v_found,
            p_booked_before using errcode = 'EV004';
    end if;
    insert into billing.journal_export (
        period, booked_before, chart_id, transfers, postings, actor, reason, made_at)
    values (p_period, p_booked_before, p_chart_id, p_transfers, v_asked, p_actor, p_reason, p_made_at)
    returning export_id into v_export_id;
    insert into billing.journal_file (export_id, format, name, key, sha256, size)
    select v_export_id, f.format, f.name, f.key, f.sha256, f.size
    from jsonb_to_recordset(p_files) as f (format text, name text, key text, sha256 text, size bigint);
    insert into billing.audit_event (actor, action, subject_id, reason)
    values (p_actor, 'journal_exported', 'journal-' || v_export_id, p_period || ': ' || p_reason);
    return v_export_id;
end
$$;
