-- What is due, with all that the counts of the page Due need: a statement leaves it when it is paid.
create index standing_due on billing.standing (statement_id)
include (status, currency, minor_unit, balance_minor, has_failed) where balance_minor > 0;
