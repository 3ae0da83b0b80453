"""Where the made-up operators are: countries with their zones, currencies, tax rates and words for names."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Place:
    """A time zone of a country; `weight` is how many of 100 accounts are there."""

    country: str
    time_zone: str
    currency: str
    weight: int
    tax_rate: Decimal
    legal_form: str
    cities: tuple[str, str, str]
    people: tuple[str, str, str, str]

    @property
    def is_type_1(self) -> bool:
        """True where AC sockets are of type 1, as in America and Japan."""
        return self.country in {"US", "JP"}


_US = ("Maria Jensen", "James Carter", "Aisha Brown", "Luis Ortega")
_DE = ("Jörg Müller", "Anke Schröder", "Çağla Şahin", "Uwe Groß")


def _us(zone: str, weight: int, rate: str, *cities: str) -> Place:
    a, b, c = cities
    return Place("US", zone, "USD", weight, Decimal(rate), "Inc.", (a, b, c), _US)


PLACES: tuple[Place, ...] = (
    Place("DE", "Europe/Berlin", "EUR", 20, Decimal("0.19"), "GmbH", ("Köln", "München", "Leipzig"), _DE),
    _us("America/New_York", 12, "0.08875", "New York", "Boston", "Atlanta"),
    Place(
        "JP",
        "Asia/Tokyo",
        "JPY",
        8,
        Decimal("0.10"),
        "株式会社",
        ("東京", "大阪", "札幌"),
        ("佐藤 花子", "鈴木 一郎", "Kenji Mori", "高橋 美咲"),
    ),
    Place(
        "KW",
        "Asia/Kuwait",
        "KWD",
        4,
        Decimal(0),
        "W.L.L.",
        ("الكويت", "Salmiya", "Hawalli"),
        ("نورة العلي", "Fahad Al-Sabah", "Mona Hasan", "خالد يوسف"),
    ),
    Place(
        "NZ",
        "Pacific/Auckland",
        "NZD",
        4,
        Decimal("0.15"),
        "Ltd",
        ("Auckland", "Whangārei", "Dunedin"),
        ("Aroha Ngata", "Tom Wilson", "Mere Parata", "Sophie Lee"),
    ),
    _us("Pacific/Honolulu", 3, "0.04712", "Honolulu", "Hilo", "Kahului"),
    Place(
        "FR",
        "Europe/Paris",
        "EUR",
        12,
        Decimal("0.20"),
        "SAS",
        ("Lyon", "Nîmes", "Besançon"),
        ("Chloé Lefèvre", "Hugo Martin", "Inès Dupré", "Noël Girard"),
    ),
    _us("America/Los_Angeles", 10, "0.0725", "Oakland", "San José", "Portland"),
    Place(
        "GR",
        "Europe/Athens",
        "EUR",
        4,
        Decimal("0.24"),
        "A.E.",
        ("Αθήνα", "Πάτρα", "Volos"),
        ("Ελένη Παππά", "Νίκος Δήμου", "Maria Kosta", "Γιώργος Ρήγας"),
    ),
    Place(
        "PT",
        "Europe/Lisbon",
        "EUR",
        5,
        Decimal("0.23"),
        "Lda",
        ("Lisboa", "Évora", "Braga"),
        ("João Simões", "Inês Conceição", "Rui Araújo", "Ana Brandão"),
    ),
    _us("America/Chicago", 7, "0.0825", "Chicago", "Austin", "St. Paul"),
    _us("America/Denver", 4, "0.081", "Denver", "Boise", "Santa Fe"),
    Place(
        "FI",
        "Europe/Helsinki",
        "EUR",
        4,
        Decimal("0.255"),
        "Oy",
        ("Helsinki", "Jyväskylä", "Oulu"),
        ("Aino Mäkelä", "Veikko Äijälä", "Sanna Korhonen", "Eetu Nieminen"),
    ),
    Place(
        "IE",
        "Europe/Dublin",
        "EUR",
        3,
        Decimal("0.23"),
        "DAC",
        ("Dublin", "Dún Laoghaire", "Cork"),
        ("Siobhán O'Neill", "Seán Ó Briain", "Aoife Byrne", "Conor Walsh"),
    ),
)

OPERATORS = (
    "Volt",
    "Amp",
    "Harbour",
    "Nordlicht",
    "Evergreen",
    "Plugpoint",
    "Sunrise",
    "Metro",
    "Cedar",
    "Linden",
    "Kiwi",
    "Aurora",
    "Delta",
    "Highway",
    "Orchard",
    "Lagoon",
)
TRADES = ("Charging", "Fleet", "Mobility", "Parking", "Workplaces", "Hotels", "Retail", "Logistics")
SITES = (
    "Station",
    "Depot",
    "Mall",
    "Garage",
    "Office Park",
    "Hospital",
    "Stadium",
    "Harbour",
    "Airport",
    "Campus",
)
