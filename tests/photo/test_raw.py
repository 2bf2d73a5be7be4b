"""Raw files are refused by what is in them, whatever their name; ordinary TIFF files open."""

import struct

import numpy as np
import pytest
from makers import encode, picture, quadrants, tiff
from PIL import Image

from facevae.photo.images import MAX_FILE_BYTES, open_photo
from facevae.photo.raw import raw_kind

PREVIEW = quadrants()


def directory(entries: dict[int, tuple[int, int]], next_at: int = 0, order: str = "<") -> bytes:
    """A TIFF directory: tag -> (type, value)."""
    rows = b"".join(
        struct.pack(order + ("HHIHH" if kind == 3 else "HHII"), tag, kind, 1, value, *([0] if kind == 3 else []))
        for tag, (kind, value) in sorted(entries.items())
    )
    return struct.pack(order + "H", len(entries)) + rows + struct.pack(order + "I", next_at)


def preview_and(entries: dict[int, tuple[int, int]], order: str = "<", chained: bool = False, extra=()) -> bytes:
    """A TIFF with a preview that Pillow opens, and another directory behind it, of its SubIFDs or the next one."""

    def pointing_at(where: int) -> bytes:
        if chained:
            return tiff(PREVIEW, 2, order=order, extra=extra, next_directory=where)
        return tiff(PREVIEW, 2, order=order, extra={**dict(extra), 330: (4, where)})

    return pointing_at(len(pointing_at(0))) + directory(entries, order=order)


MOSAIC = {256: (4, 6000), 257: (4, 4000), 262: (3, 32803)}
RAW = {
    "DNG": lambda: tiff(PREVIEW, 2, extra={50706: (4, 0x401)}),
    "DNG of Apple, big-endian": lambda: tiff(PREVIEW, 2, order=">", extra={50706: (4, 0x10400)}),
    "NEF": lambda: preview_and(MOSAIC | {259: (3, 34713)}, order=">"),
    "NEF without a colour tag": lambda: preview_and({259: (3, 34713)}),
    "ARW": lambda: preview_and(MOSAIC | {259: (3, 32767)}),
    "ARW in the next directory": lambda: preview_and({259: (3, 32767)}, chained=True),
    "PEF": lambda: tiff(PREVIEW, 32803, extra={259: (3, 65535)}),
    "SRW": lambda: preview_and({259: (3, 32770)}),
    "DCR": lambda: preview_and({259: (3, 65000)}),
    "3FR, MEF, ERF": lambda: preview_and(MOSAIC),
    "linear": lambda: preview_and({262: (3, 34892)}),
    "TIFF/EP": lambda: preview_and({33421: (4, 0x20002), 33422: (4, 0x02010100)}),
    "MOS": lambda: tiff(PREVIEW, 2, extra={34310: (4, 1)}),
    "a preview before something larger": lambda: preview_and({256: (4, 6000), 257: (4, 4000)}, extra={254: (4, 1)}),
    "CR2": lambda: b"II*\0\x10\0\0\0CR\2\0" + bytes(300),
    "IIQ": lambda: b"II*\0\x10\0\0\0IIII" + bytes(300),
    "CR3": lambda: b"\0\0\0\x18ftypcrx " + bytes(300),
    "CRW": lambda: b"II\x1a\0\0\0HEAPCCDR" + bytes(300),
    "ORF": lambda: b"IIRO\x08\0\0\0" + bytes(300),
    "ORF of other cameras": lambda: b"IIRS\x08\0\0\0" + bytes(300),
    "ORF, big-endian": lambda: b"MMOR\0\0\0\x08" + bytes(300),
    "RW2": lambda: b"IIU\0\x18\0\0\0" + bytes(300),
    "RAF with a JPEG inside": lambda: b"FUJIFILMCCD-RAW 0201FF383501" + bytes(120) + encode(picture(), "JPEG"),
    "MRW": lambda: b"\0MRM" + bytes(300),
    "X3F": lambda: b"FOVb" + bytes(300),
}
ORDINARY = {
    "TIFF": lambda: tiff(PREVIEW, 2),
    "TIFF, big-endian": lambda: tiff(PREVIEW, 2, order=">"),
    "with a smaller picture in SubIFDs": lambda: preview_and({254: (4, 1), 256: (4, 48), 257: (4, 32)}),
    "first of two equal pages": lambda: encode(picture(), "TIFF", save_all=True, append_images=[picture()]),
    "says reduced, and is alone": lambda: tiff(PREVIEW, 2, extra={254: (4, 1)}),
    "JPEG": lambda: encode(picture(), "JPEG"),
    "EXIF of a camera, which tells of its mosaic": lambda: encode(picture(), "TIFF", exif=camera()),
}


def camera() -> Image.Exif:
    exif = Image.Exif()
    exif[271] = "NIKON"
    exif.get_ifd(0x8769).update({41730: b"\2\0\2\0\0\1\1\2", 34855: 100})
    exif[0x8769] = exif.get_ifd(0x8769)  # Pillow's TIFF writer looks at these keys alone
    return exif


@pytest.mark.parametrize("kind", RAW)
@pytest.mark.parametrize("name", ["IMG_1.tif", "IMG_1.jpg", "IMG_1.NEF"])
def test_raw_files_are_refused_whatever_they_are_called(kind, name, tmp_path):
    (tmp_path / name).write_bytes(RAW[kind]())
    with pytest.raises(ValueError, match=rf"^{name} is a camera's raw file.* developed first: a JPEG.* would work$"):
        open_photo(tmp_path / name)


@pytest.mark.parametrize("kind", ORDINARY)
def test_ordinary_files_open_whatever_they_are_called(kind, tmp_path):
    (tmp_path / "photo.dng").write_bytes(ORDINARY[kind]())
    assert np.abs(open_photo(tmp_path / "photo.dng").pixels.astype(int) - PREVIEW).mean() < 5


def test_a_large_raw_file_is_called_raw_and_not_large(tmp_path):
    with (tmp_path / "large.tif").open("wb") as file:
        file.write(RAW["NEF"]())
        file.truncate(MAX_FILE_BYTES + 1)
    with pytest.raises(ValueError, match="camera's raw file"):
        open_photo(tmp_path / "large.tif")


def test_damaged_directories_are_read_to_their_end():
    content = RAW["NEF"]()
    for length in range(0, len(content), 7):
        raw_kind(content[:length])
    loop = b"II*\0\x08\0\0\0" + directory({330: (4, 8)}, next_at=8)
    assert raw_kind(loop) == "" and raw_kind(b"II*\0" + b"\xff" * 400) == ""
