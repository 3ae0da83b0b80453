"""Ids that are suspiciously alike: the same letters and digits, written in another way. Whole columns at a time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

# What is neither a letter, a digit nor a mark of one: separators, blanks, and what can't be seen.
_GAP = r"[^\pL\pN\pM]+"
# The same for bytes of ASCII.
_IS_GAP = np.array([not chr(byte).isalnum() for byte in range(128)] + [False] * 128)
_GAPS = bytes(np.flatnonzero(_IS_GAP).tolist())
_SMALL = bytes(range(256)).lower()


def folded(ids: pa.Array) -> pa.Array:
    """`ids` (strings) as letters and digits only, without case, width, separators, blanks and what can't be seen."""
    # Only contiguous arrays have offsets that begin at 0.
    ids = pa.concat_arrays([ids])
    _, places, letters = ids.buffers()
    if letters is None or not len(ids):
        return ids
    data = np.frombuffer(letters, np.uint8)
    if ids.null_count or (data >= 128).any():
        return pc.replace_substring_regex(_small(ids), _GAP, "")
    # Arrow's kernels would take a second for a million ids, these lines some hundredths.
    offsets = np.frombuffer(places, np.int32)[: len(ids) + 1]
    data = data[: offsets[-1]]
    kept = offsets - np.searchsorted(np.flatnonzero(_IS_GAP[data]), offsets).astype(np.int32)
    small = data.tobytes().translate(_SMALL, _GAPS)
    return pa.Array.from_buffers(pa.string(), len(ids), [None, pa.py_buffer(kept), pa.py_buffer(small)])


def alike_ids(ids: pa.Array) -> pd.DataFrame:
    """Those of `ids` that are alike to another: columns group (a number, the same of ids alike) and id, in order.

    Separators between two digits tell ids apart (1-11 and 11-1), unless one of the ids has no separator at all.
    """
    ids = ids.drop_null()
    keys = folded(ids)
    if len(keys.unique()) == len(keys):
        ids = ids.slice(0, 0)
    else:  # Of a million ids, few are left.
        counted = keys.value_counts()
        repeated = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
        ids = ids.filter(pc.is_in(keys, repeated)).unique()
    keys = folded(ids)
    ids, keys = (values.filter(pc.not_equal(keys, "")) for values in (ids, keys))
    small = _small(ids)
    found = pa.table({"id": ids, "key": keys, "parted": _parted(small), "is_bare": pc.equal(small, keys)}).to_pandas()
    found["parted"] = found["parted"].where(~found.groupby("key")["is_bare"].transform("any"), "")
    found = found[found.groupby(["key", "parted"])["id"].transform("size") > 1].sort_values("id")
    # Numbered by the first id of each.
    found["group"] = found.groupby(["key", "parted"], sort=False).ngroup()
    alike: pd.DataFrame = found[["group", "id"]].sort_values(["group", "id"], ignore_index=True)
    return alike


def resembled(text: str, known: pa.Array) -> list[str]:
    """The texts of `known` that are alike to `text`, at most three of them."""
    key = folded(pa.array([text], pa.string()))[0]
    if not key.as_py():
        return []
    return sorted(known.filter(pc.equal(folded(known), key)).to_pylist())[:3]


def visible(text: str | None) -> str:
    """`text` in quotes, with blanks at its ends and what can't be seen made visible; `(none)` for null."""
    return "(none)" if text is None else repr(text)


def _small(ids: pa.Array) -> pa.Array:
    return pc.utf8_lower(pc.utf8_normalize(ids, "NFKC"))


def _parted(small: pa.Array) -> pa.Array:
    """As `folded`, but with a dash where digits are separated from digits."""
    parted = pc.replace_substring_regex(small, _GAP, "-")
    for _ in range(2):  # A digit between two separators is only found the second time.
        parted = pc.replace_substring_regex(parted, r"(\pN)-(\pN)", r"\1~\2")
    return pc.replace_substring_regex(parted, "-", "")
