"""Random draws that are the same on every machine and numpy version.

numpy keeps a bit generator's raw stream stable for ever, but not what `Generator`'s methods make of it (NEP
19); so only raw 64-bit words are used, with integer arithmetic and correctly rounded operations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def members(sizes: Ints) -> tuple[Ints, Ints]:
    """For groups of these sizes, one after the other: each member's group, and its place in it from 0."""
    group = np.repeat(np.arange(len(sizes), dtype=np.int64), sizes)
    return group, np.arange(len(group), dtype=np.int64) - np.repeat(np.cumsum(sizes) - sizes, sizes)


class Draws:
    """One stream of draws, named by `seed` and `key`."""

    def __init__(self, seed: int, *key: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence([seed, *key]))

    def words(self, count: int) -> npt.NDArray[np.uint64]:
        """`count` raw 64-bit words."""
        raw: Any = self._bits.random_raw(count)
        return np.asarray(raw, dtype=np.uint64)

    def below(self, limit: int | Ints, count: int) -> Ints:
        """`count` integers from 0 to `limit` - 1; a limit each if it is an array (limits below 2**31)."""
        words = self.words(count) >> np.uint64(33)
        return (words.astype(np.int64) * np.asarray(limit, dtype=np.int64)) >> 31

    def fraction(self, count: int) -> npt.NDArray[np.float64]:
        """`count` floats in [0, 1)."""
        return (self.words(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def pick(self, weights: tuple[int, ...], count: int) -> Ints:
        """`count` indexes of `weights`, each as often as its weight says."""
        bounds = np.cumsum(weights)
        return np.searchsorted(bounds, self.below(int(bounds[-1]), count), side="right").astype(np.int64)

    def spread(self, count: int) -> npt.NDArray[np.float64]:
        """`count` floats in [0, 1) that fill it evenly at any `count`, so even a short history is smooth."""
        steps = np.arange(count, dtype=np.uint64) * _GOLDEN + self.words(1)[0]
        even: npt.NDArray[np.float64] = (steps >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return even
