-- The three roles and who may enter the database. Run first at every `evbilling migrate`, by a login that may create
-- roles; safe to repeat. Logins get their passwords from the server's administrator, never from here.
do $$
begin
    if not exists (select from pg_roles where rolname = 'evbilling_owner') then
        create role evbilling_owner nologin;
    end if;
    if not exists (select from pg_roles where rolname = 'evbilling_writer') then
        create role evbilling_writer login;
    end if;
    if not exists (select from pg_roles where rolname = 'finance_reader') then
        create role finance_reader login connection limit 10;
    end if;
    -- Two databases of one server may be migrated at once: roles are the server's, so the loser of the race is fine.
exception when duplicate_object or unique_violation then null;
end
$$;

do $$
begin
    execute format('grant evbilling_owner to %I', current_user);
    execute format('revoke all on database %I from public', current_database());
    -- Nobody makes temporary objects: the owner's functions would find them by their names.
    execute format('revoke temporary on database %I from evbilling_owner, evbilling_writer', current_database());
    execute format('grant connect, create on database %I to evbilling_owner', current_database());
    execute format('grant connect on database %I to evbilling_writer, finance_reader', current_database());
    execute format('alter role evbilling_writer in database %I set idle_in_transaction_session_timeout = %L',
                   current_database(), '15min');
    -- Defaults, which a session of the reader can change: nothing in a month waits for a reader, whatever it sets.
    execute format('alter role finance_reader in database %I set statement_timeout = %L', current_database(), '5min');
    execute format('alter role finance_reader in database %I set lock_timeout = %L', current_database(), '10s');
    execute format('alter role finance_reader in database %I set idle_in_transaction_session_timeout = %L',
                   current_database(), '5min');
    execute format('alter role finance_reader in database %I set transaction_timeout = %L', current_database(), '15min');
    execute format('alter role finance_reader in database %I set default_transaction_read_only = on', current_database());
    -- A limit. Another one that the server's administrator has set stays.
    if (select rolconnlimit from pg_roles where rolname = 'finance_reader') = -1 then
        alter role finance_reader connection limit 10;
    end if;
end
$$;

-- Functions of Postgres by which every login could write or use up the server's table of locks. Only a superuser can
-- take them away; another login is told what is left open.
do $$
declare
    v_open regprocedure[] := array(
        select p.oid from pg_proc p
        where p.pronamespace = 'pg_catalog'::regnamespace and has_function_privilege('public', p.oid, 'execute')
          and (p.proname ~ '^pg_(try_)?advisory_'
               or p.proname in ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_put', 'lo_truncate', 'lo_truncate64',
                                'lo_unlink', 'lowrite', 'pg_current_xact_id', 'pg_logical_emit_message',
                                'txid_current'))
        order by p.proname);
    v_function regprocedure;
begin
    if (select rolsuper from pg_roles where rolname = current_user) then
        execute format('alter role finance_reader in database %I set temp_file_limit = %L', current_database(), '10GB');
        foreach v_function in array v_open loop
            execute format('revoke execute on function %s from public', v_function);
        end loop;
    elsif cardinality(v_open) > 0 then
        raise warning '%', format(
            'every login may still execute %s functions of Postgres that write or take locks, such as %s: '
            'run evbilling migrate once as a superuser to take that away (docs/security.md)',
            cardinality(v_open), v_open[1]);
    end if;
end
$$;
revoke create on schema public from public;
grant create on schema public to evbilling_owner;
