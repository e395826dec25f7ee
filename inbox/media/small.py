"""Small pictures for lists and bubbles: a tenth of a second and some 10 kB instead of megabytes."""

from __future__ import annotations

import io
import logging
import warnings

from PIL import Image, ImageOps

log = logging.getLogger(__name__)

TYPE = "image/webp"
SIDE = 640  #: pixels at most: a bubble's width on a screen of two pixels to one
MOST_BYTES = 16 * 1024 * 1024  #: WhatsApp takes pictures of 5 MB; larger ones come as documents
_MOST_PIXELS = 40_000_000  # of the whole picture, which takes four bytes each
_READS = ("JPEG", "PNG", "WEBP")


def small_of(data: bytes) -> bytes | None:
    """The picture within a square of SIDE, upright, as WebP; None for what cannot be read, or is small already.

    Only its first frame, and nothing of what else the file tells, such as where it was taken.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=_READS) as picture:
                if max(picture.size) <= SIDE or picture.width * picture.height > _MOST_PIXELS:
                    return None
                picture.draft("RGB", (SIDE, SIDE))  # a JPEG is read at about the size that is wanted
                upright = ImageOps.exif_transpose(picture)
                upright.thumbnail((SIDE, SIDE))
                made = io.BytesIO()
                upright.convert("RGBA" if upright.has_transparency_data else "RGB").save(made, "WEBP", quality=75)
    except Exception as error:  # a stranger's file: readers of pictures raise anything at all
        log.info("no small picture", extra={"reason": type(error).__name__})
        return None
    return made.getvalue()
