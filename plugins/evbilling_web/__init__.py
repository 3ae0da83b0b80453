"""The pages inside Airflow: one guarded FastAPI app."""
