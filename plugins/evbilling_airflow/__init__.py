"""Between Airflow and the product: the period of a run, connections, defaults, assets, links."""
