"""Old periods' decisions as Parquet files, and out of the warehouse. For its owner; no DAG comes here."""
