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
        create role finance_reader login;
    end if;
    -- Two databases of one server may be migrated at once: roles are the server's, so the loser of the race is fine.
exception when duplicate_object or unique_violation then null;
end
$$;

do $$
begin
    execute format('grant evbilling_owner to %I', current_user);
    execute format('revoke all on database %I from public', current_database());
    execute format('grant connect, create, temporary on database %I to evbilling_owner', current_database());
    execute format('grant connect, temporary on database %I to evbilling_writer', current_database());
    execute format('grant connect on database %I to finance_reader', current_database());
    execute format('alter role evbilling_writer in database %I set idle_in_transaction_session_timeout = %L',
                   current_database(), '15min');
    execute format('alter role finance_reader in database %I set statement_timeout = %L', current_database(), '5min');
    execute format('alter role finance_reader in database %I set default_transaction_read_only = on', current_database());
end
$$;
revoke create on schema public from public;
grant create on schema public to evbilling_owner;
