-- Creates the statement triggers of a partition. Partitions don't inherit them from the partitioned table, so a write
-- that names the partition would go unguarded.
create or replace function billing.guard_part(p_parent text, p_part text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    v_trigger record;
begin
    execute format('create trigger %I before truncate on billing.%I for each statement
                    execute function billing.refuse_change()', p_parent || '_is_not_emptied', p_part);
    for v_trigger in
        select * from (values
            ('statement', 'statement_is_listed', 'insert', 'new table as issued', 'list_issued'),
            ('statement', 'statement_names_run_and_setting', 'insert', 'new table as issued', 'require_run_and_setting'),
            ('statement', 'statement_posts_itself', 'insert', 'new table as issued', 'post_issued'),
            ('statement', 'statement_waits_for_charges', 'insert', 'new table as issued', 'refuse_correction_under_way'),
            ('transfer', 'transfer_moves_standing', 'insert', 'new table as moved', 'move_standing'),
            ('standing', 'standing_is_summed', 'insert', 'new table as added', 'sum_standing'),
            ('standing', 'standing_is_summed_anew', 'update', 'old table as gone new table as added', 'sum_standing')
            ) t (parent, name, event, tables, function)
        where t.parent = p_parent
    loop
        execute format('create trigger %I after %s on billing.%I referencing %s
                        for each statement execute function billing.%I()', v_trigger.name, v_trigger.event, p_part,
                       v_trigger.tables, v_trigger.function);
    end loop;
end
$$;
