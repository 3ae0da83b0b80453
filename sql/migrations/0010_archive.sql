-- Old periods: their decisions go to Parquet files and out of the warehouse, and what went is on record. For the owner,
-- who runs `evbilling archive`; no DAG may do it. Statements, ledger, corrections and account statements stay.

-- One row per period whose decisions were copied to files. As long as `dropped_at` is null they are in the table, too.
create table billing.archived_period (
    period billing.period primary key,
    store text not null,
    -- [{"key", "sha256", "rows"}, ...]: `key` is relative to the store.
    files jsonb not null,
    decisions bigint not null check (decisions >= 0),
    billed bigint not null check (billed between 0 and decisions),
    -- Over all currencies and over every column of every row: they say nothing but that two copies are alike.
    unit_price_minor numeric not null,
    digest numeric not null,
    actor text not null check (actor <> ''),
    archived_at timestamptz not null default now(),
    dropped_at timestamptz
);
comment on table billing.archived_period is 'Periods whose decisions lie as Parquet files, and since when nowhere else';
grant select on billing.archived_period to evbilling_writer;

create function billing.refuse_change_of_dropped() returns trigger language plpgsql as $$
begin
    if tg_op = 'TRUNCATE' or old.dropped_at is not null then
        raise exception '% on billing.archived_period refused: the files are all that is left of the decisions', tg_op
            using errcode = 'EV002', hint = 'what was dropped from the warehouse stays on record';
    end if;
    return case tg_op when 'DELETE' then old else new end;
end
$$;
create trigger dropped_period_is_immutable before update or delete on billing.archived_period
    for each row execute function billing.refuse_change_of_dropped();
create trigger archived_period_is_not_emptied before truncate on billing.archived_period
    for each statement execute function billing.refuse_change_of_dropped();

-- What a period's decisions come to. Two copies with the same four figures are the same: the digest is of whole rows.
create function billing.decision_sums(
    p_period text, out decisions bigint, out billed bigint, out unit_price_minor numeric, out digest numeric)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
    select count(*), count(*) filter (where d.rule_id is null), coalesce(sum(d.unit_price_minor), 0),
           coalesce(sum(hashtextextended(d::text, 0)::numeric), 0)
    from billing.connector_decision d where d.period = p_period;
$$;

-- Records where a period's decisions were copied to; true if that wasn't on record already. Fails with EV004 once they
-- are dropped, or if the files hold another number of rows.
create function billing.record_archive(
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

-- Takes a period's decisions out of the warehouse, in the caller's one transaction; returns how many. The caller has read
-- `p_files` and found them whole. Fails with EV004 unless they are on record, the period has settled, no run of it is
-- under way, and the table still holds what was copied. Whoever reads finance for long lets it fail after 10 seconds
-- rather than have all others wait behind it.
create function billing.drop_archived(p_period text, p_files jsonb, p_actor text, p_reason text) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '10s' as $$
declare
    v_record billing.archived_period;
    v_table text := 'connector_decision_' || replace(p_period, '-', '_');
    v_run billing.run;
    v_sums record;
begin
    -- A run that is about to publish has lost its turn.
    perform billing.raise_fence('issue ' || p_period);
    select * into v_record from billing.archived_period where period = p_period for update;
    if v_record.period is null or v_record.files <> p_files then
        raise exception 'the files that were checked aren''t those on record for %', p_period
            using errcode = 'EV004', hint = 'archive the period again';
    elsif v_record.dropped_at is not null then
        raise exception 'the decisions of % were dropped already', p_period
            using errcode = 'EV004', hint = 'nothing is left to do';
    end if;
    select * into v_run from billing.run
    where period = p_period and dag_id in ('connector_statements', 'correct_statements')
      and (state = 'open' or (state in ('issued', 'unchanged', 'differs') and closed_at is null))
    order by run_id desc limit 1;
    if v_run.run_id is not null then
        raise exception 'run % of % (%) hasn''t ended', v_run.run_id, p_period, v_run.dag_id
            using errcode = 'EV004', hint = 'let it end; if it never will, run the period again';
    elsif not exists (select from billing.run where period = p_period and dag_id = 'connector_statements'
                        and state in ('issued', 'unchanged')) then
        raise exception 'no run has settled %', p_period using errcode = 'EV004', hint = 'run the period to its end';
    end if;
    execute format('lock table billing.%I in share mode', v_table);
    select * into v_sums from billing.decision_sums(p_period);
    if (v_sums.decisions, v_sums.billed, v_sums.unit_price_minor, v_sums.digest)
       is distinct from (v_record.decisions, v_record.billed, v_record.unit_price_minor, v_record.digest) then
        raise exception 'the decisions of % have changed since they were copied', p_period
            using errcode = 'EV004', hint = 'archive the period again';
    end if;
    execute format('alter table billing.connector_decision detach partition billing.%I', v_table);
    execute format('drop table billing.%I', v_table);
    update billing.archived_period set dropped_at = now() where period = p_period;
    insert into billing.audit_event (actor, action, subject_id, reason)
    values (p_actor, 'drop_archived_decisions', p_period, p_reason);
    return v_sums.decisions;
end
$$;

-- Without its decisions a period can't be compared with a new truth, and a new run would publish it as if for the first
-- time. Steps refuse it when they begin; this holds for those that had begun before.
create function billing.refuse_archived_period() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from billing.archived_period where period = new.period and dropped_at is not null) then
        raise exception '% is archived: its decisions have left the warehouse', new.period
            using errcode = 'EV004', hint = 'settle what is wrong with it in a later period, or by hand';
    end if;
    return new;
end
$$;
create trigger archived_period_is_not_published before insert or update of state on billing.run for each row
    when (new.dag_id in ('connector_statements', 'correct_statements') and new.state in ('issued', 'unchanged', 'differs'))
    execute function billing.refuse_archived_period();

revoke execute on all functions in schema billing from public;
