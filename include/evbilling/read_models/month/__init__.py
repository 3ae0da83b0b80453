"""One billing month at a glance, as the Month page shows it."""
