create or replace view finance.tie_out with (security_barrier) as
select t.period::text as period,
       t.check_id,
       t.left_label,
       t.left_value,
       t.right_label,
       t.right_value,
       t.left_value - t.right_value as difference,
       t.left_value = t.right_value as is_ok
from billing.tie_out t;

comment on view finance.tie_out is 'Figures that must agree, each pair counted in two independent ways when the run closed';
comment on column finance.tie_out.period is 'Billing month, YYYY-MM';
comment on column finance.tie_out.check_id is 'Stable id of the check; one per currency where money is compared';
comment on column finance.tie_out.left_label is 'What the left figure is';
comment on column finance.tie_out.left_value is 'Left figure';
comment on column finance.tie_out.right_label is 'What the right figure is';
comment on column finance.tie_out.right_value is 'Right figure';
comment on column finance.tie_out.difference is 'Left less right';
comment on column finance.tie_out.is_ok is 'True if the two figures are equal';
