"""What proposed billing terms would come to for one account, and what corrections of its statements would."""

from evbilling.read_models.preview.corrections import CorrectionPreview, preview_corrections
from evbilling.read_models.preview.preview import Preview
from evbilling.read_models.preview.reading import preview_terms

__all__ = ["CorrectionPreview", "Preview", "preview_corrections", "preview_terms"]
