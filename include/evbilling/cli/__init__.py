"""The `evbilling` command: every subcommand, and the references that it prints."""
