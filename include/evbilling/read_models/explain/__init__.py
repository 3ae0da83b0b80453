"""Why one connector was billed in a month, or wasn't."""

from evbilling.read_models.explain.reading import Decided, Evidence, Explanation, explain_connector

__all__ = ["Decided", "Evidence", "Explanation", "explain_connector"]
