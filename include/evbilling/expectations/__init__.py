"""What must hold before a month is published: the suites, running them, and the page of their results.

`suites` imports Great Expectations, which takes seconds: only a step that runs a suite imports it, where it does.
"""

import logging
import os

# Importing Great Expectations logs dozens of lines about its own documentation; a task's log shouldn't have them.
logging.getLogger("great_expectations").setLevel(logging.WARNING)
# It would send usage data otherwise. Both are set before any module of this package can import it.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")

from evbilling.expectations.validator import DOUBTS, Validator, stop_if_critical, validation_page  # ruff: ignore[module-import-not-at-top-of-file]

__all__ = ["DOUBTS", "Validator", "stop_if_critical", "validation_page"]
