"""The pages inside Airflow: one guarded FastAPI app.

A page is a module in `routes/` with a `router`, listed in `app.ROUTERS`, and a template in `templates/` that extends
`base.html`. It reads through `warehouse.reading()`, renders with `rendering.page`, asks for rights with
`rights.requires`, and starts a DAG with `runs.start`. SQL and rules stay in `include/evbilling`.
"""
