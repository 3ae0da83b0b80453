-- Drops the staging tables of other runs that nobody comes back for, of whichever month: those that have ended and have
-- a newer run of their period, as a killed run has once another has published, and those that began a week ago, unless
-- their plan still waits for an answer. A stage that is being worked on is left to the next sweep: whoever stages or
-- publishes has its tables locked until the commit, and a paused worker may never commit.
create or replace function billing.sweep_stages(p_run_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_old bigint;
    v_table regclass;
begin
    -- Before they are looked for: no other sweep drops them meanwhile.
    perform billing.take_lock('stage', '2 minutes');
    for v_old in
        select old.run_id
        from billing.run old
        where old.run_id <> p_run_id
          and old.run_id in (
              select substring(relname from '^(?:run|account_run|platform)_(\d+)(?:_|$)')::bigint
              from pg_class where relnamespace = 'staging'::regnamespace and not relispartition)
          and ((old.opened_at < now() - interval '7 days'
                and not (old.state = 'open'
                         and exists (select from billing.plan p where p.run_id = old.run_id
                                       and p.superseded_at is null and p.issued_at is null)))
               or (old.state <> 'open'
                   and exists (select from billing.run newer
                               where newer.period = old.period and newer.run_id > old.run_id
                                 and (newer.dag_id = 'account_statements') = (old.dag_id = 'account_statements'))))
    loop
        begin
            for v_table in
                select oid from pg_class
                where relnamespace = 'staging'::regnamespace and relkind in ('p', 'r') and not relispartition
                  and relname ~ ('^(run|account_run|platform)_' || v_old || '(_|$)')
            loop
                execute format('lock table %s in access exclusive mode nowait', v_table);
            end loop;
            perform billing.drop_stage(v_old);
        exception when lock_not_available then
            null;
        end;
    end loop;
end
$$;
