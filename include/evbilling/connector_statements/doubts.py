"""What is doubtful about an inventory, in words with examples. Nothing is left out and no figure changes for it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from evbilling.platform import Strangers, Survey
from evbilling.platform.inventory import alike_ids, column_codes, column_values, resembled, visible
from evbilling.services import Services
from evbilling.warehouse.runs import RegisteredShard

# So many examples of a doubt, and ids of each.
_SHOWN = 5


def doubts_of_source(survey: Survey, accounts: pd.DataFrame, terms: pd.DataFrame) -> dict[str, str | None]:
    """The doubts that the source itself shows, by the name of their fact; None: there is no such doubt.

    `accounts` are all of the platform's, `terms` the settings in force.
    """
    # Columns of many accounts come in several pieces, of which `pa.array` would make no array.
    known, billed = (
        pa.array(frame["account_id"].to_numpy(object), pa.string(), from_pandas=True) for frame in (accounts, terms)
    )
    return {
        "homeless": _of_strangers(survey.homeless, "charger", known, survey.homeless_chargers),
        "strange_users": _of_strangers(survey.strange_users, "user", known),
        "alike_accounts": _alike_accounts(known, billed),
    }


def alike_chargers(services: Services, shards: Sequence[RegisteredShard]) -> str | None:
    """The chargers counted whose ids are alike, with their accounts and connectors; None if there are none."""
    ids = [column_values(_read(services, shard, "charger_id"), "charger_id") for shard in shards]
    found = alike_ids(pa.concat_arrays(ids))
    if found.empty:
        return None
    groups = found["group"].nunique()
    shown = found[found["group"] < _SHOWN]
    named = pa.array(shown["id"], pa.string())
    counted = pd.concat([_connectors_of(named, _read(services, shard, "account_id", "charger_id")) for shard in shards])
    by_charger = {
        charger: " and ".join(
            f"{visible(account)}, {_count(connectors, 'connector')}"
            for account, connectors in zip(rows["account_id"], rows["connectors"], strict=True)
        )
        for charger, rows in counted.groupby("charger_id", observed=True)
    }
    texts = [
        _listed([f"{visible(charger)} (account {by_charger[charger]})" for charger in group["id"].head(_SHOWN)], group)
        for _, group in shown.groupby("group")
    ]
    heading = f"{_count(len(found), 'charger')} in {_count(groups, 'group')}"
    return f"{heading}: {'; '.join(texts)}{f'; and {groups - _SHOWN:,} more' if groups > _SHOWN else ''}"


def _read(services: Services, shard: RegisteredShard, *columns: str) -> pa.Table:
    return services.evidence.get_table(shard.inventory_uri, shard.inventory_sha256, list(columns)).combine_chunks()


def _connectors_of(chargers: pa.Array, inventory: pa.Table) -> pd.DataFrame:
    """The number of connectors of each of the `chargers`, by account."""
    codes = pc.index_in(chargers, value_set=column_values(inventory, "charger_id")).drop_null()
    rows = inventory.filter(pc.is_in(pa.array(column_codes(inventory, "charger_id")), value_set=codes))
    counted: pd.DataFrame = (
        pa
        .table({name: rows.column(name).cast(pa.string()) for name in ("charger_id", "account_id")})
        .group_by(["charger_id", "account_id"])
        .aggregate([([], "count_all")])
        .rename_columns(["charger_id", "account_id", "connectors"])
        .to_pandas()
    )
    return counted.sort_values(["charger_id", "account_id"])


def _alike_accounts(known: pa.Array, billed: pa.Array) -> str | None:
    """The account ids that are alike and of which one at least is billed, of the platform and of the settings."""
    found = alike_ids(pa.concat_arrays([known, billed]))
    found = found.assign(is_billed=found["id"].isin(billed.to_pylist()), is_known=found["id"].isin(known.to_pylist()))
    found = found[found.groupby("group")["is_billed"].transform("any")]
    if found.empty:
        return None
    groups = [group for _, group in found.groupby("group")]
    texts = [
        " and ".join(
            visible(account) + ("" if is_known else " (in the billing settings only)")
            for account, is_known in list(zip(group["id"], group["is_known"], strict=True))[:_SHOWN]
        )
        for group in groups[:_SHOWN]
    ]
    return "; ".join(texts) + (f"; and {len(groups) - _SHOWN:,} more" if len(groups) > _SHOWN else "")


def _of_strangers(found: Sequence[Strangers], noun: str, known: pa.Array, total: int | None = None) -> str | None:
    """Rows of unknown accounts: the account as it is written, the rows, and the account that it resembles."""
    texts = []
    for strangers in found:
        owner = "no account" if strangers.account_id is None else f"the account {visible(strangers.account_id)}"
        text = f"{_count(strangers.rows, noun)} of {owner}"
        if strangers.ids:
            text += f" ({' to '.join(map(visible, strangers.ids))})"
        if strangers.account_id and (like := resembled(strangers.account_id, known)):
            text += f", which resembles {' and '.join(map(visible, like))}"
        if strangers.moved_from:
            before, until = strangers.moved_from
            text += f"; {visible(strangers.ids[0])} was at {visible(before)} until {until}"
        texts.append(text)
    more = (total or 0) - sum(strangers.rows for strangers in found)
    if more > 0:
        texts.append(f"{_count(more, noun)} of other accounts")
    return "; ".join(texts) or None


def _listed(texts: Sequence[str], group: pd.DataFrame) -> str:
    return ", ".join(texts) + (f" and {len(group) - len(texts):,} more" if len(group) > len(texts) else "")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
