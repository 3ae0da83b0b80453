-- Records that a run begins. Its source and the way it is split are not known yet.
insert into billing.run (dag_id, airflow_run_id, period, actor, code_version, source, deliver, shard_count)
values (%(dag_id)s, %(airflow_run_id)s, %(period)s, %(actor)s, %(code_version)s, '', %(deliver)s, 1)
returning run_id;
