"""Bracketed form encoding: `metadata[site]=a&created[gte]=5&expand[]=data.customer` as nested dictionaries."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl

from evbilling_local.sandbox.replies import Refusal

Params = dict[str, Any]

_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_PART = re.compile(r"\[([^\[\]]*)\]")
_WHOLE = re.compile(r"-?[0-9]{1,18}")


def pairs_of(text: str) -> list[tuple[str, str]]:
    """The names and values of a query or body, in order; a `Refusal` if they aren't UTF-8."""
    try:
        return parse_qsl(text, keep_blank_values=True, strict_parsing=False, errors="strict", max_num_fields=1000)
    except ValueError:
        raise Refusal(400, "The parameters can't be read: send UTF-8 form data of at most 1000 fields.") from None


def nested(pairs: list[tuple[str, str]]) -> Params:
    """The pairs as nested dictionaries; lists are dictionaries by position. A `Refusal` for names that can't nest."""
    root: Params = {}
    for name, value in pairs:
        match = _KEY.fullmatch(name)
        if match is None:
            raise Refusal(400, f"The parameter name {name!r} has unbalanced brackets.", param=name)
        parts = [match[1], *_PART.findall(match[2])]
        here = root
        for part in parts[:-1]:
            here = here.setdefault(part or str(len(here)), {})
            if not isinstance(here, dict):
                raise Refusal(400, f"{parts[0]} is given both as a value and with brackets.", param=parts[0])
        last = parts[-1] or str(len(here))
        if isinstance(here.get(last), dict):
            raise Refusal(400, f"{parts[0]} is given both as a value and with brackets.", param=parts[0])
        here[last] = value
    return root


def text_of(params: Params, name: str) -> str | None:
    """A parameter's text; None if it is absent or empty, which means unset."""
    value = params.get(name)
    if isinstance(value, dict):
        raise Refusal(400, f"Invalid string: {name} takes one value.", code="parameter_invalid_string", param=name)
    return value or None


def whole_of(params: Params, name: str) -> int | None:
    """A parameter as a whole number, or None if it is absent."""
    text = text_of(params, name)
    if text is None:
        return None
    if not _WHOLE.fullmatch(text):
        raise Refusal(400, f"Invalid integer: {text}", code="parameter_invalid_integer", param=name)
    return int(text)


def flag_of(params: Params, name: str) -> bool:
    """A parameter as true or false; false if it is absent."""
    text = text_of(params, name) or "false"
    if text not in ("true", "false"):
        raise Refusal(400, f"Invalid boolean: {text}", param=name)
    return text == "true"


def list_of(params: Params, name: str) -> list[str]:
    """A parameter's values in order; none if it is absent."""
    value = params.get(name, {})
    if not isinstance(value, dict) or not all(isinstance(entry, str) for entry in value.values()):
        raise Refusal(400, f"Invalid array: write {name}[]=…", param=name)
    return list(value.values())


def metadata_of(params: Params) -> dict[str, str]:
    """The metadata, without unset entries; a `Refusal` past Stripe's limits of 50 entries, 40 and 500 characters."""
    value = params.get("metadata", {})
    if value == "":
        return {}
    if not isinstance(value, dict) or not all(isinstance(entry, str) for entry in value.values()):
        raise Refusal(400, "Invalid metadata: write metadata[name]=value", param="metadata")
    entries = {name: entry for name, entry in value.items() if entry}
    if len(entries) > 50:
        raise Refusal(400, "Metadata takes at most 50 entries.", param="metadata")
    for name, entry in entries.items():
        if len(name) > 40 or len(entry) > 500:
            raise Refusal(400, "Metadata names have at most 40 characters, values 500.", param=f"metadata[{name}]")
    return entries


def only(params: Params, known: frozenset[str]) -> None:
    """A `Refusal` for the first parameter that isn't known: a misspelt one must not pass unnoticed."""
    for name in params:
        if name not in known:
            raise Refusal(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
