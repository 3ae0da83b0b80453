"""The five tables as CSV and Parquet files: found, checked, read and copied into Postgres."""
