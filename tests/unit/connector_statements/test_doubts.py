"""Doubts are found in frames of any size, whose columns come in one piece or in several."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from evbilling.connector_statements.doubts import doubts_of_source
from evbilling.platform import Survey


def test_accounts_that_come_in_several_pieces() -> None:
    """As COPY returns the settings of more than some ten thousand accounts."""
    accounts = pd.DataFrame({"account_id": ["acc-1", "acc-2", None]}, dtype=object)
    pieces = pa.chunked_array([["acc-1"], ["ACC 2"]], pa.string())
    terms = pa.table({"account_id": pieces}).to_pandas()
    found = doubts_of_source(Survey(2, None, 0, {}), accounts, terms)
    assert found["alike_accounts"] == "'ACC 2' (in the billing settings only) and 'acc-2'"
