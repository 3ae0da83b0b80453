"""Who issues statements: the operator, as printed at the head of a document. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NAME, ADDRESS, TAX_ID, CONTACT = (
    "EVBILLING_ISSUER_NAME",
    "EVBILLING_ISSUER_ADDRESS",
    "EVBILLING_ISSUER_TAX_ID",
    "EVBILLING_ISSUER_CONTACT",
)


@dataclass(frozen=True, slots=True)
class Issuer:
    """The operator's name, the lines of its address, its tax id, and whom to ask. All may be empty."""

    name: str = ""
    address: tuple[str, ...] = ()
    tax_id: str = ""
    contact: str = ""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Issuer:
        """The issuer of the variables EVBILLING_ISSUER_…; the address' lines are parted by `;` or new lines."""
        address = environment.get(ADDRESS, "").replace("\n", ";").split(";")
        return cls(
            name=environment.get(NAME, "").strip(),
            address=tuple(line.strip() for line in address if line.strip()),
            tax_id=environment.get(TAX_ID, "").strip(),
            contact=environment.get(CONTACT, "").strip(),
        )

    @property
    def shown_name(self) -> str:
        """The name, or that none is set and where to set it."""
        return self.name or f"Name of the operator not set ({NAME})"
