"""The local environment: an embedded Postgres and Airflow, a payment sandbox, a mail sink, made-up data."""
