-- What tells this database from a copy of it: the cluster's identifier, its timeline, the database's number. A dump
-- that is restored has another number or cluster, a recovery to a point in time another timeline. A part that the
-- server doesn't give, as some managed ones don't, is null.
create or replace function billing.server_identity() returns text[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_cluster text;
    v_timeline text;
begin
    begin
        select system_identifier into v_cluster from pg_control_system();
    exception when others then null;
    end;
    begin
        v_timeline := left(pg_walfile_name(pg_current_wal_lsn()), 8);
    exception when others then null;
    end;
    return array[v_cluster, v_timeline, (select oid::text from pg_database where datname = current_database())];
end
$$;
