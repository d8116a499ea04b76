"""PNG, JPEG and TIFF: pictures of text, one page a frame. Without optical recognition nothing of them is read."""

from __future__ import annotations

import io
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING

from serving.documents.errors import UnreadableDocumentError
from serving.documents.limits import Limits
from serving.documents.read_document import Extract, Page
from serving.documents.recognition import Recognition

if TYPE_CHECKING:
    from PIL.Image import Image

_NOT_INSTALLED = "is a picture, and text in pictures is not recognized here"


def read_picture(content: bytes, limits: Limits, recognition: Recognition | None) -> Extract:
    """The recognized words of every frame. Raises UnreadableDocumentError without ``recognition`` and for broken files."""
    if recognition is None:
        raise UnreadableDocumentError(_NOT_INSTALLED)
    from PIL import Image, UnidentifiedImageError

    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "TIFF")) as picture:
            frames = getattr(picture, "n_frames", 1)
            if frames > limits.pages:
                raise UnreadableDocumentError("has more pages than this service reads")
            pages = tuple(_frame(picture, number, limits, recognition) for number in range(frames))
    except (UnidentifiedImageError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise UnreadableDocumentError("is a broken picture") from None
    except (OSError, SyntaxError, ValueError, EOFError, TypeError, KeyError, IndexError, AttributeError, OverflowError):
        # What Pillow raises for broken files, by its own tests.
        raise UnreadableDocumentError("is a broken picture") from None
    return Extract(pages, f"picture 1 (Pillow {version('pillow')}, {recognition.version})")


def _frame(picture: Image, number: int, limits: Limits, recognition: Recognition) -> Page:
    picture.seek(number)
    if picture.width * picture.height > limits.picture_pixels:
        return Page("", unread=True)
    picture.load()
    return recognition.page(picture)
