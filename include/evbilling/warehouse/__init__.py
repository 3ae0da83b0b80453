"""All that talks to the Postgres warehouse: migrations, runs, staging, publishing."""
