-- Refuses every change of a table whose rows are final.
create or replace function billing.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% on %.% refused: its rows never change once written', tg_op, tg_table_schema, tg_table_name
        using errcode = 'EV002', hint = 'issue a correction, or record a newer row beside it';
end
$$;
