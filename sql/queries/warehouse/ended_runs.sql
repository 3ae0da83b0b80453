-- Earlier runs of the same DAG and period that have ended, or were abandoned a week ago: their staging tables can go.
select old.run_id
from billing.run old
join billing.run new on (new.period, new.dag_id) = (old.period, old.dag_id)
where new.run_id = %(run_id)s and old.run_id < new.run_id
  and (old.state <> 'open' or old.opened_at < now() - interval '7 days')
order by 1;
