"""`python -m evbilling.cli` is the `evbilling` command."""

from evbilling.cli.main import main

raise SystemExit(main())
