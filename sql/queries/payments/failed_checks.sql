-- The figures of these checks of a period.
select period::text, check_id, left_label, left_value, right_label, right_value from billing.tie_out
where period = %(period)s and check_id = any(%(checks)s) order by check_id;
