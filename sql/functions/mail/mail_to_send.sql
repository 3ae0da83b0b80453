-- What a request for mail comes to: for each statement named (null: every one of the period) the newest message of
-- the kind, or the one to be made where there is none. `does`: 'send' (held or failed: it waits again), 'copy' (sent
-- or unknown: a copy is added), 'waits', 'busy', 'repeated' (this same request has done it) or 'unknown'.
create or replace function billing.mail_to_send(
    p_request_id text, p_statements text[], p_kind text, p_period text, p_states text[]
)
returns table (
    statement_id text, kind text, mail_id bigint, state text, account_id text, financial_admin_id text, does text
)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
begin
    return query
    with asked as (
        select distinct a as statement_id from unnest(p_statements) a
        union
        select m.statement_id from billing.mail m
        where p_statements is null and m.period = p_period and m.kind = p_kind
    ), named as (
        select a.statement_id, s.account_id, s.financial_admin_id,
               coalesce(p_kind, case s.kind when 'connector' then 'connector_statement'
                                            when 'account' then 'account_statement'
                                            when 'correction' then 'correction' end) as kind, s.kind as statement_kind
        from asked a left join billing.statement s on s.statement_id = a.statement_id
    ), newest as (
        select n.*, m.mail_id, m.state, m.request_id
        from named n
        left join lateral (
            select m.mail_id, m.state, m.request_id from billing.mail m
            where m.statement_id = n.statement_id and m.kind = n.kind
            order by m.mail_id desc limit 1) m on true
    )
    select n.statement_id, n.kind, n.mail_id, n.state, n.account_id, n.financial_admin_id, case
               when n.statement_kind is null then 'unknown'
               -- A notice needs a decline, and a statement has no other kind of mail than its own.
               when n.mail_id is null and n.kind is distinct from case n.statement_kind
                    when 'connector' then 'connector_statement' when 'account' then 'account_statement'
                    else 'correction' end then 'unknown'
               when n.request_id = p_request_id then 'repeated'
               when n.state = 'pending' then 'waits'
               when n.state = 'sending' then 'busy'
               when n.mail_id is null or n.state in ('held', 'failed') then 'send'
               else 'copy' end
    from newest n
    where p_states is null or n.state = any(p_states) or n.request_id = p_request_id
    order by n.statement_id;
end
$$;
