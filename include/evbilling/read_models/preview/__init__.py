"""What proposed billing terms would come to for one account."""

from evbilling.read_models.preview.preview import Outcome, Preview
from evbilling.read_models.preview.reading import preview_terms

__all__ = ["Outcome", "Preview", "preview_terms"]
