"""Why a document could not be read."""

from __future__ import annotations


class UnreadableDocumentError(Exception):
    """A document, or all that matters of it, cannot be read.

    The message completes "Document d1 ..." for the nurse ("is protected by a password"). It is one of our own sentences
    and never holds anything of the document.
    """
