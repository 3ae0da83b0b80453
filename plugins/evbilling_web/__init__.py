"""The pages inside Airflow: one guarded FastAPI app.

Each page is a folder: `routes.py` with a `router` (listed in `app.ROUTERS`), its view model, its templates (which
extend `shared/base.html`), style sheets and scripts. A page reads through `warehouse.reading()`, renders with
`rendering.page`, and asks for rights with `rights.requires`. SQL and rules stay in `include/evbilling`.
"""
