"""A stand-in for Stripe's API on this machine: keeps its state, honours idempotency keys, has faults on purpose."""

from evbilling_local.sandbox.api import TEST_KEY, Rules
from evbilling_local.sandbox.faults import FaultPlan
from evbilling_local.sandbox.server import Sandbox, running_sandbox

__all__ = ["TEST_KEY", "FaultPlan", "Rules", "Sandbox", "running_sandbox"]
