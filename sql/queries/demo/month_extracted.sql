-- Connectors counted in a month: from the tie-out, or the decisions where it was not closed. Parameter: period.
select coalesce((select left_value::bigint from finance.tie_out
                  where period = %(period)s and check_id = 'connectors-decided'),
                (select count(*) from finance.connector_decisions where period = %(period)s));
