"""What comes in: the charging platform's five tables, from Postgres or from files, and the evidence kept of them."""
