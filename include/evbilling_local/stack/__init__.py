"""The local stack: an embedded Postgres and Airflow in one folder, for the demo, development and tests."""

from evbilling.cli.airflow_api import AirflowApi
from evbilling_local.stack.airflow import admin_api, require_embedded_services, settings, wait_until
from evbilling_local.stack.console import command, export_lines, step
from evbilling_local.stack.lifecycle import bring_up, statuses, take_down
from evbilling_local.stack.postgres import EmbeddedPostgres, bin_directory
from evbilling_local.stack.services import API_SERVER, MAIL_SINK, SANDBOX
from evbilling_local.stack.state import StackState, claimed, stack_home

__all__ = [
    "API_SERVER",
    "MAIL_SINK",
    "SANDBOX",
    "AirflowApi",
    "EmbeddedPostgres",
    "StackState",
    "admin_api",
    "bin_directory",
    "bring_up",
    "claimed",
    "command",
    "export_lines",
    "require_embedded_services",
    "settings",
    "stack_home",
    "statuses",
    "step",
    "take_down",
    "wait_until",
]
