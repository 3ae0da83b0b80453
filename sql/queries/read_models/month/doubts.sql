-- What the newest validation of a month's connector statements found doubtful but not wrong, for the Month page: what
-- should be so, and what was found instead. Unknown values of an inventory are among the accounts on hold.
select says, concat_ws(', for example ', observed, (
           select string_agg(text, '; ' order by place)
           from jsonb_array_elements_text(sample) with ordinality s (text, place)))
from billing.validation_result
where run_id = (select max(run_id) from billing.run
                where period = %(period)s and dag_id = 'connector_statements' and facts ? 'validation_page')
  and not success and severity <> 'critical' and suite = 'period'
order by result_id
