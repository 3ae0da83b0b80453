-- The steps of runs that aren't done, for the Month page and `evbilling status`: of one month and of the runs of no
-- month, or all. The parts of a mapped step add up to one; one that hasn't begun counts as nothing done. A step is
-- noted each half minute, so what wasn't noted for 90 seconds doesn't move.
select dag_id, airflow_run_id, step, period, max(unit) as unit, sum(done)::bigint as done,
    case when count(total) = count(*) then sum(total)::bigint end as total, sum(failed)::bigint as failed,
    sum(per_second) filter (where state = 'under way') as per_second, max(parts) as parts,
    count(*) filter (where state = 'done') as parts_done, count(*) as parts_begun,
    sum(case when state = 'done' then 1.0 when total > 0 then least(done::float8 / total, 1.0) end) / max(parts)
        as share,
    count(*) filter (where state = 'stopped') as parts_stopped,
    min(noted_at) filter (where state = 'under way') as noted_at,
    coalesce(bool_or(noted_at < clock_timestamp() - interval '90 seconds') filter (where state = 'under way'), false)
        as is_still
from billing.progress
where %(period)s::text is null or period = %(period)s or period is null
group by dag_id, airflow_run_id, step, period
-- Of what can't be counted, an error is shown where the run is.
having count(*) filter (where state = 'done') < max(parts)
   and (count(*) filter (where state = 'under way') > 0 or coalesce(sum(done) < sum(total), false))
order by period desc nulls last, min(noted_at), step
