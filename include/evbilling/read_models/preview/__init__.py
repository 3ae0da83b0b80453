"""What proposed billing terms would come to for one account."""

from evbilling.read_models.preview.preview import Preview
from evbilling.read_models.preview.reading import preview_terms

__all__ = ["Preview", "preview_terms"]
