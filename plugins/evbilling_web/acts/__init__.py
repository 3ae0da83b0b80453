"""The actions that pages offer, one module each: the dry run, the form's fields, and what its DAG is started with."""
