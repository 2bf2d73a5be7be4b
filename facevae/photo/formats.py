"""Which picture formats are read and written: Pillow's names, their suffixes, and HEIC."""

import io
from pathlib import Path

from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "BMP", "TIFF", "GIF")  # Pillow's other plugins never see an upload
WHAT_WORKS = "a JPEG, PNG, WebP, HEIC, AVIF, BMP, TIFF or GIF picture would work"
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "AVIF": ".avif", "TIFF": ".tif", "HEIF": ".heic"}
"""Formats that are written. BMP and GIF cannot hold the note (nor GIF the colours) and come back as PNG; HEIC comes back as JPEG."""
SAME_SUFFIX = {".jpeg": ".jpg", ".jpe": ".jpg", ".jfif": ".jpg", ".tiff": ".tif", ".heif": ".heic", ".hif": ".heic"}
PICTURE_SUFFIXES = frozenset((*SUFFIXES.values(), *SAME_SUFFIX, ".mpo", ".bmp", ".dib", ".gif", ".apng"))
RAW = (
    "3fr arw bay cap cr2 cr3 crw dcr dcs dng eip erf fff gpr iiq k25 kdc mef mos mrw nef nrw orf ori pef ptx raf raw "
    "rw2 rwl sr2 srf srw x3f"
)
UNREAD_SUFFIXES = frozenset(f".{kind}" for kind in (*RAW.split(), "jxl", "jp2", "j2k", "jpf", "jxr", "psd", "psb", "exr"))
"""Not read, but photos all the same: a folder's are failures, not files among others."""


def open_header(file: io.BytesIO | Path, formats: tuple[str, ...] = FORMATS) -> Image.Image:
    """A picture of one of these formats, its pixels not decoded yet; raises whatever Pillow's plugins raise."""
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False)
    return Image.open(file, formats=formats)
