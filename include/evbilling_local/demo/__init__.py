"""The demo: a made-up month billed and closed by the real scheduler, and what finance then sees."""

from evbilling_local.demo.dag_run import DagRunner, TaskState
from evbilling_local.demo.demo import SEED, run_demo
from evbilling_local.demo.month_run import DAG_IDS, bill_and_close, last_complete_month

__all__ = ["DAG_IDS", "SEED", "DagRunner", "TaskState", "bill_and_close", "last_complete_month", "run_demo"]
