"""Which connectors an account is billed for: rules and faults as data, applied to frames; no database, no clock."""
