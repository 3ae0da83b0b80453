"""What chargers and connectors are called, as of the count: for people to read, never to decide by."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from evbilling.platform.inventory.table import ENCODED, column_codes, column_values

# A row per charger and account of an inventory, in its order. `standard` is that of all its connectors from 1 on; where
# they have several, `standards` has each by its number, as JSON. A text that is empty is null.
CHARGER_NAMES = pa.schema({
    "account_id": ENCODED,
    "charger_id": ENCODED,
    "name": pa.string(),
    "site": pa.string(),
    "scope_status": ENCODED,
    "standard": ENCODED,
    "standards": pa.string(),
})

# Characters of a name that are kept, as of an account's.
_LONGEST = 300
# No charger has more outlets; a faulty source must not fill the memory.
_MOST_OUTLETS = 200


def charger_names(counted: pa.Table, chargers: pa.Table) -> pa.Table:
    """The names of an inventory's chargers, of `CHARGER_NAMES`.

    `counted` is a sorted inventory with columns `standard` (a dictionary) and `row`: the charger's in `chargers`.
    """
    account, charger = column_codes(counted, "account_id"), column_codes(counted, "charger_id")
    begins = np.flatnonzero((np.diff(account, prepend=-1) != 0) | (np.diff(charger, prepend=-1) != 0))
    # What another row says of the charger at the same time is its account's fault.
    here = counted.select(["account_id", "charger_id", "scope_status", "row"]).take(begins)
    called = chargers.select(["name", "site"]).take(here.column("row"))
    standard, standards = _standards(counted, begins)
    columns = {name: here.column(name) for name in ("account_id", "charger_id", "scope_status")}
    columns |= {name: called.column(name) for name in ("name", "site")}
    columns |= {"standard": standard, "standards": standards}
    return pa.table([columns[name] for name in CHARGER_NAMES.names], schema=CHARGER_NAMES)


def legible(texts: pa.Array) -> pa.Array:
    """`texts` (strings) as they are kept: at most 300 characters, null if empty.

    A database without an encoding gives bytes as they are: what isn't UTF-8 becomes a replacement character.
    """
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:
        data = texts.cast(pa.binary()).to_pylist()
        texts = pa.array([None if text is None else text.decode("utf-8", "replace") for text in data], pa.string())
    short = pc.utf8_slice_codeunits(texts, 0, _LONGEST)
    return pc.if_else(pc.equal(short, ""), pa.scalar(None, pa.string()), short)


def _standards(counted: pa.Table, begins: np.ndarray[tuple[int], np.dtype[np.int64]]) -> tuple[pa.Array, pa.Array]:
    """The one standard of each charger, which begins at a row of `begins`; or its standards by connector as JSON."""
    words = legible(column_values(counted, "standard").cast(pa.string()))
    # Words that are alike once they are cut are one.
    words = words.dictionary_encode()
    places = words.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    code = np.append(places, -1)[column_codes(counted, "standard")]
    if not len(begins):
        return pa.array([], ENCODED), pa.array([], pa.string())
    connector = counted.column("connector_id").to_numpy()
    # The station itself needs none.
    is_left_out = (connector < 1) & (code < 0)
    lowest = np.minimum.reduceat(np.where(is_left_out, len(words.dictionary), code), begins)
    highest = np.maximum.reduceat(code, begins)
    is_one = (lowest == highest) | (highest < 0)
    ends = np.minimum(np.append(begins[1:], len(code)), begins + _MOST_OUTLETS)
    known = words.dictionary.to_pylist()
    found: dict[bytes, str] = {}
    several: list[str | None] = [None] * len(begins)
    outlets = (connector.astype(np.int64) << 32) | (code.astype(np.int64) & 0xFFFFFFFF)
    for place in np.flatnonzero(~is_one):
        begin, end = begins[place], ends[place]
        key = outlets[begin:end].tobytes()
        if key not in found:
            pairs = zip(connector[begin:end].tolist(), code[begin:end].tolist(), strict=True)
            found[key] = json.dumps({str(number): known[word] for number, word in pairs if word >= 0})
        several[place] = found[key]
    is_missing = ~is_one | (highest < 0)
    one = pa.DictionaryArray.from_arrays(
        pa.array(np.where(is_missing, 0, highest).astype(np.int32), mask=is_missing), words.dictionary
    )
    return one, pa.array(several, pa.string())
