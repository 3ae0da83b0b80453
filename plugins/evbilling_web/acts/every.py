"""All actions that pages offer."""

from __future__ import annotations

from evbilling_web.acts.base import Act
from evbilling_web.acts.mark_as_paid import MARK_AS_PAID
from evbilling_web.acts.rebill import REBILL
from evbilling_web.acts.send_mail import SEND_MAIL
from evbilling_web.acts.undo import UNDO_MARK_AS_PAID

ACTS: tuple[Act, ...] = (REBILL, MARK_AS_PAID, UNDO_MARK_AS_PAID, SEND_MAIL)
