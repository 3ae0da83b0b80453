-- Makes transactions take turns: waits until no other one has locked `scope`, and keeps it locked until the transaction
-- ends. A row lock that only the owner's functions can take: advisory locks are open to every login. Fails with EV003
-- if others keep it for longer than `p_wait`.
create or replace function billing.take_lock(p_scope text, p_wait interval default '30 seconds') returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '30s' as $$
begin
    if (p_scope in ('stage', 'settings', 'mail requests', 'alerts', 'names') or p_scope ~ '^files of run [0-9]+$')
       is distinct from true then
        raise exception 'there is no lock %', p_scope using errcode = 'EV004';
    end if;
    perform set_config('lock_timeout', (extract(epoch from p_wait) * 1000)::bigint::text, true);
    insert into billing.fence (scope, epoch) values (p_scope, 0) on conflict do nothing;
    perform from billing.fence where scope = p_scope for update;
exception when lock_not_available then
    raise exception 'another session has kept the lock % for more than %', p_scope, p_wait
        using errcode = 'EV003', hint = 'look for a long transaction of evbilling_writer in pg_stat_activity, end it'
            ' with pg_terminate_backend, and try again';
end
$$;
