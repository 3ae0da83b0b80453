"""One billing month at a glance: its figures and its state in words."""

from evbilling.read_models.month.figures import (
    AGES,
    AgeFigure,
    BilledMonth,
    Check,
    FailureFigure,
    LeftOut,
    MonthOverview,
    StatusFigure,
)
from evbilling.read_models.month.progress import StepUnderWay, steps_under_way
from evbilling.read_models.month.reading import age_of, failure_on_record, month_overview, months
from evbilling.read_models.month.state import month_state

__all__ = [
    "AGES",
    "AgeFigure",
    "BilledMonth",
    "Check",
    "FailureFigure",
    "LeftOut",
    "MonthOverview",
    "StatusFigure",
    "StepUnderWay",
    "age_of",
    "failure_on_record",
    "month_overview",
    "month_state",
    "months",
    "steps_under_way",
]
