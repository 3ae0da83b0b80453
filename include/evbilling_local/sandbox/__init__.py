"""A stand-in for Stripe's API on this machine: charges, declines, idempotency and faults, for tests and the demo."""
