-- Issues the C-... of a credit or debit by hand: numbered as all corrections of the period are, without lines, with its
-- mail. The tax is that of the statement's rate, rounded once; what is credited takes neither net nor tax of the
-- statement below zero. Returns its id. The caller has locked the statement.
create or replace function billing.issue_adjustment(
    p_statement_id text, p_kind text, p_amount_minor bigint, p_code_version text, p_actor text, p_reason text)
returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_statement billing.statement;
    v_sign integer := case p_kind when 'goodwill' then -1 else 1 end;
    v_left_net bigint;
    v_left_tax bigint;
    v_corrections integer;
    v_tax bigint;
    v_number integer;
    v_id text;
begin
    select * into strict v_statement from billing.statement s where s.statement_id = p_statement_id;
    select v_statement.net_minor + coalesce(sum(c.net_minor), 0), v_statement.tax_minor + coalesce(sum(c.tax_minor), 0),
           coalesce(max(c.revision), 0)
    into v_left_net, v_left_tax, v_corrections
    from billing.statement c where c.corrects_statement_id = p_statement_id;
    v_tax := floor(p_amount_minor * v_statement.tax_rate / (1 + v_statement.tax_rate) + 0.5);
    if v_sign < 0 then
        v_tax := greatest(least(v_tax, v_left_tax), p_amount_minor - v_left_net);
    end if;
    insert into billing.statement_counter (kind, period, last_number) values ('correction', v_statement.period, 0)
    on conflict do nothing;
    update billing.statement_counter set last_number = last_number + 1
    where kind = 'correction' and period = v_statement.period returning last_number into v_number;
    v_id := 'C-' || replace(v_statement.period, '-', '') || '-'
            || lpad(v_number::text, greatest(6, length(v_number::text)), '0');
    insert into billing.statement (
        statement_id, kind, period, account_id, revision, number, run_id, account_name, financial_admin_id, time_zone,
        statement_date, currency, minor_unit, tax_rate, net_minor, tax_minor, total_minor, corrects_statement_id,
        code_version)
    values (v_id, 'correction', v_statement.period, v_statement.account_id, v_corrections + 1, v_number,
            v_statement.run_id, v_statement.account_name, v_statement.financial_admin_id, v_statement.time_zone,
            billing.day_in(v_statement.time_zone), v_statement.currency, v_statement.minor_unit, v_statement.tax_rate,
            v_sign * (p_amount_minor - v_tax), v_sign * v_tax, v_sign * p_amount_minor, p_statement_id, p_code_version);
    insert into billing.mail (
        kind, statement_id, account_id, financial_admin_id, period, occasion, state, last_error, requested_by)
    select 'correction', v_id, v_statement.account_id, v_statement.financial_admin_id, v_statement.period, 'issue',
           case when h.held is null then 'pending' else 'held' end, h.held, p_actor
    from (select billing.held_with_its_statement(p_statement_id) as held) h;
    insert into billing.audit_event (actor, action, subject_id, reason)
    values (p_actor, 'issue_correction', v_id, p_reason);
    return v_id;
end
$$;
