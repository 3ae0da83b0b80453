"""The Great Expectations suites of a month, as functions; their results, and the page that shows them."""

import logging
import os

# Great Expectations tells at import, in dozens of lines, which of its own functions it doesn't document: no news for
# whoever reads a task's log. Set here because it must be before any of our modules imports it.
logging.getLogger("great_expectations").setLevel(logging.WARNING)
# It would report its use to its makers otherwise.
os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
