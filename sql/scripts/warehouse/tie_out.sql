-- Stores one tie-out check of a period. A check with the same figures as before stays as it is, with its run.
insert into billing.tie_out as t (period, run_id, check_id, left_label, left_value, right_label, right_value)
values (
    %(period)s, %(run_id)s, %(check_id)s, %(left_label)s, %(left_value)s, %(right_label)s, %(right_value)s)
on conflict (period, check_id) do update
set left_label = excluded.left_label, left_value = excluded.left_value, right_label = excluded.right_label,
    right_value = excluded.right_value, run_id = excluded.run_id
where (t.left_value, t.right_value) is distinct from (excluded.left_value, excluded.right_value);
