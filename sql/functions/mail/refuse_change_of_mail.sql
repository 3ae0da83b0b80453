-- What was sent stays sent, and what a message is about never changes.
create or replace function billing.refuse_change_of_mail() returns trigger language plpgsql as $$
begin
    if tg_op <> 'DELETE' and old.state <> 'sent'
       and (old.mail_id, old.kind, old.statement_id, old.attempt_id, old.account_id, old.financial_admin_id, old.period,
            old.occasion, old.again_of, old.created_at)
           is not distinct from
           (new.mail_id, new.kind, new.statement_id, new.attempt_id, new.account_id, new.financial_admin_id, new.period,
            new.occasion, new.again_of, new.created_at) then
        return new;
    end if;
    raise exception '% of mail % refused: what it is about never changes, nor that it was sent', tg_op, old.mail_id
        using errcode = 'EV002', hint = 'request it again, which adds a row';
end
$$;
