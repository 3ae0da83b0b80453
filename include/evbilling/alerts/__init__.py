"""Says by mail and webhook what is late or failed: one message a cause, once a day at most, and when it ends."""

from evbilling.alerts.airflow import AirflowState, ask_airflow
from evbilling.alerts.notify import Notified, notify, notify_directly
from evbilling.alerts.settings import AlertSettings, read_connections

__all__ = ["AirflowState", "AlertSettings", "Notified", "ask_airflow", "notify", "notify_directly", "read_connections"]
