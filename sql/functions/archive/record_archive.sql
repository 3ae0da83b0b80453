-- Records where a period's decisions were copied to; false if that is on record already. Fails with EV004 once they are
-- dropped, or if the files hold another number of rows.
create or replace function billing.record_archive(
    p_period text, p_store text, p_files jsonb, p_decisions bigint, p_billed bigint, p_unit_price_minor numeric,
    p_digest numeric, p_actor text)
returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_rows bigint;
begin
    select coalesce(sum((f ->> 'rows')::bigint), 0) into v_rows from jsonb_array_elements(p_files) f;
    if v_rows <> p_decisions then
        raise exception '% rows were written, % has % decisions', v_rows, p_period, p_decisions
            using errcode = 'EV004', hint = 'archive the period again';
    end if;
    if exists (select from billing.archived_period where period = p_period and dropped_at is not null) then
        raise exception 'the decisions of % were dropped already', p_period
            using errcode = 'EV004', hint = 'nothing is left to do';
    end if;
    insert into billing.archived_period as a
        (period, store, files, decisions, billed, unit_price_minor, digest, actor)
    values (p_period, p_store, p_files, p_decisions, p_billed, p_unit_price_minor, p_digest, p_actor)
    on conflict (period) do update
    set store = excluded.store, files = excluded.files, decisions = excluded.decisions, billed = excluded.billed,
        unit_price_minor = excluded.unit_price_minor, digest = excluded.digest, actor = excluded.actor, archived_at = now()
    where (a.store, a.files, a.digest) is distinct from (excluded.store, excluded.files, excluded.digest);
    if not found then
        return false;
    end if;
    insert into billing.audit_event (actor, action, subject_id, reason)
    values (p_actor, 'archive_decisions', p_period,
            format('%s decisions in %s files, %s', p_decisions, jsonb_array_length(p_files), p_store));
    return true;
end
$$;
