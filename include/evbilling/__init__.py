"""Per-connector billing for charge-point operators: the product, free of Airflow."""

__version__ = "0.1.0"
