"""The local stack: an embedded Postgres and Airflow in one folder, for the demo, development and tests."""
