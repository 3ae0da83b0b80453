-- The tie-out of a month.
select check_id, left_label, left_value, right_label, right_value, difference, is_ok
  from finance.tie_out where period = %(period)s order by check_id, left_label, right_label;
