"""`evbilling migrate`, and the references that are made from the warehouse and the rules."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subcommands = argparse._SubParsersAction[argparse.ArgumentParser]


def register(subcommands: Subcommands) -> None:
    """Add this package's subcommands."""
    migrate = subcommands.add_parser("migrate", help="bring the warehouse to the newest schema")
    migrate.add_argument("--url", help="libpq URL of a login that may create roles (default: the local stack's)")
    migrate.set_defaults(run=_migrate)
    dictionary = subcommands.add_parser("dictionary", help="print the data dictionary of the finance views")
    dictionary.add_argument("--url", help="libpq URL of the warehouse (default: the local stack's)")
    dictionary.set_defaults(run=_dictionary)
    dbt = subcommands.add_parser("dbt-sources", help="print the finance views as sources of dbt, with tests")
    dbt.add_argument("--url", help="libpq URL of the warehouse (default: the local stack's)")
    dbt.set_defaults(run=_dbt_sources)
    rules = subcommands.add_parser("rules", help="print the reference of rules, reasons and decline codes")
    rules.set_defaults(run=_rules)
    letters = subcommands.add_parser("letters", help="print every sentence of a letter, with the facts behind it")
    letters.set_defaults(run=_letters)
    contract = subcommands.add_parser("contract", help="print which types of the platform's columns are accepted")
    contract.set_defaults(run=_contract)


def _migrate(args: argparse.Namespace) -> int:
    from evbilling.cli.bars import bar
    from evbilling.cli.environment import resolve_url
    from evbilling.warehouse import migrate

    with bar("Migrating the warehouse"):
        applied = migrate(args.url or resolve_url("warehouse_admin"))
    print("\n".join(f"applied {name}" for name in applied) or "the warehouse is up to date")
    return 0


def _dictionary(args: argparse.Namespace) -> int:
    from evbilling.cli.environment import resolve_url
    from evbilling.cli.reference import data_dictionary

    print(data_dictionary(args.url or resolve_url("warehouse")), end="")
    return 0


def _dbt_sources(args: argparse.Namespace) -> int:
    from evbilling.cli.dbt import dbt_sources
    from evbilling.cli.environment import resolve_url

    print(dbt_sources(args.url or resolve_url("warehouse")), end="")
    return 0


def _rules(args: argparse.Namespace) -> int:
    from evbilling.cli.reference import rules_reference

    print(rules_reference(), end="")
    return 0


def _letters(args: argparse.Namespace) -> int:
    from evbilling.cli.reference import letters_reference

    print(letters_reference(), end="")
    return 0


def _contract(args: argparse.Namespace) -> int:
    from evbilling.cli.reference import contract_reference

    print(contract_reference(), end="")
    return 0
