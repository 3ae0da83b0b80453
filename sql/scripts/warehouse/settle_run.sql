-- Records a run's outcome. An older run of the same DAG and period that is still open was cut off or overtaken: it
-- becomes superseded, and if it does continue, it finds everything published.
update billing.run
set state = %(state)s, facts = facts || %(facts)s, differences = %(differences)s, failure = null, settled_at = now()
where run_id = %(run_id)s;
update billing.run old set state = 'superseded' from billing.run new
where new.run_id = %(run_id)s and (old.period, old.dag_id) = (new.period, new.dag_id)
  and old.run_id < new.run_id and old.state = 'open';
