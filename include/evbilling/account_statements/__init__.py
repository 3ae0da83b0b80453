"""The steps of the DAG account_statements, a module each: assembly, validation, issue, close.

`eligibility` says which accounts get a statement, `stage` has the staging tables. `evbilling.run_steps` has the code
that these steps share with those of connector statements.
"""

from evbilling.account_statements.assembly import assemble
from evbilling.account_statements.close import close_run
from evbilling.account_statements.eligibility import ADDRESS_FAULTS, AMOUNT_FAULTS
from evbilling.account_statements.issue import issue_statements
from evbilling.account_statements.validation import validate

__all__ = ["ADDRESS_FAULTS", "AMOUNT_FAULTS", "assemble", "close_run", "issue_statements", "validate"]
