-- The record of where dropped decisions were copied to is final; before they are dropped it may be replaced.
create or replace function billing.refuse_change_of_dropped() returns trigger language plpgsql as $$
begin
    if tg_op = 'TRUNCATE' or old.dropped_at is not null then
        raise exception '% on billing.archived_period refused: the files are all that is left of the decisions', tg_op
            using errcode = 'EV002', hint = 'what was dropped from the warehouse stays on record';
    end if;
    return case tg_op when 'DELETE' then old else new end;
end
$$;
