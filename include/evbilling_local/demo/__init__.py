"""The demo: a made-up month billed and closed by the real scheduler, and what finance then sees."""

from evbilling_local.demo.dag_run import DagRunner, TaskState, clear_leftovers, interruptible
from evbilling_local.demo.demo import SEED, run_demo, tidy_up
from evbilling_local.demo.month_run import DAG_IDS, bill_and_close, month_to_bill

__all__ = [
    "DAG_IDS",
    "SEED",
    "DagRunner",
    "TaskState",
    "bill_and_close",
    "clear_leftovers",
    "interruptible",
    "month_to_bill",
    "run_demo",
    "tidy_up",
]
