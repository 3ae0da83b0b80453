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
    cities: tuple[str, ...]
    people: tuple[str, ...]

    @property
    def is_type_1(self) -> bool:
        """True where AC sockets are of type 1, as in America and Japan."""
        return self.country in {"US", "JP"}


# The fields of `Place`: three cities, and four people each.
_TABLE = """
DE|Europe/Berlin|EUR|20|0.19|GmbH|Köln,München,Leipzig|Jörg Müller,Anke Schröder,Çağla Şahin,Uwe Groß
US|America/New_York|USD|12|0.08875|Inc.|New York,Boston,Atlanta|Maria Jensen,James Carter,Aisha Brown,Luis Ortega
JP|Asia/Tokyo|JPY|8|0.10|株式会社|東京,大阪,札幌|佐藤 花子,鈴木 一郎,Kenji Mori,高橋 美咲
KW|Asia/Kuwait|KWD|4|0|W.L.L.|الكويت,Salmiya,Hawalli|نورة العلي,Fahad Al-Sabah,Mona Hasan,خالد يوسف
NZ|Pacific/Auckland|NZD|4|0.15|Ltd|Auckland,Whangārei,Dunedin|Aroha Ngata,Tom Wilson,Mere Parata,Sophie Lee
US|Pacific/Honolulu|USD|3|0.04712|Inc.|Honolulu,Hilo,Kahului|Maria Jensen,James Carter,Aisha Brown,Luis Ortega
FR|Europe/Paris|EUR|12|0.20|SAS|Lyon,Nîmes,Besançon|Chloé Lefèvre,Hugo Martin,Inès Dupré,Noël Girard
US|America/Los_Angeles|USD|10|0.0725|Inc.|Oakland,San José,Portland|Maria Jensen,James Carter,Aisha Brown,Luis Ortega
GR|Europe/Athens|EUR|4|0.24|A.E.|Αθήνα,Πάτρα,Volos|Ελένη Παππά,Νίκος Δήμου,Maria Kosta,Γιώργος Ρήγας
PT|Europe/Lisbon|EUR|5|0.23|Lda|Lisboa,Évora,Braga|João Simões,Inês Conceição,Rui Araújo,Ana Brandão
US|America/Chicago|USD|7|0.0825|Inc.|Chicago,Austin,St. Paul|Maria Jensen,James Carter,Aisha Brown,Luis Ortega
US|America/Denver|USD|4|0.081|Inc.|Denver,Boise,Santa Fe|Maria Jensen,James Carter,Aisha Brown,Luis Ortega
FI|Europe/Helsinki|EUR|4|0.255|Oy|Helsinki,Jyväskylä,Oulu|Aino Mäkelä,Veikko Äijälä,Sanna Korhonen,Eetu Nieminen
IE|Europe/Dublin|EUR|3|0.23|DAC|Dublin,Dún Laoghaire,Cork|Siobhán O'Neill,Seán Ó Briain,Aoife Byrne,Conor Walsh
"""


def _place(row: str) -> Place:
    country, zone, currency, weight, rate, form, cities, people = row.split("|")
    names = tuple(cities.split(",")), tuple(people.split(","))
    return Place(country, zone, currency, int(weight), Decimal(rate), form, *names)


PLACES = tuple(map(_place, _TABLE.strip().splitlines()))
_OPERATORS = """
Volt Amp Harbour Nordlicht Evergreen Plugpoint Sunrise Metro Cedar Linden Kiwi Aurora Delta Highway Orchard Lagoon
"""
OPERATORS = tuple(_OPERATORS.split())
TRADES = ("Charging", "Fleet", "Mobility", "Parking", "Workplaces", "Hotels", "Retail", "Logistics")
_SITES = "Station, Depot, Mall, Garage, Office Park, Hospital, Stadium, Harbour, Airport, Campus"
SITES = tuple(_SITES.split(", "))
