"""A photo comes back as the kind of file it was, with nothing changed that was not edited."""

import io
import json
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import ExifTags, Image
from pillow_heif import register_heif_opener
from profiles import grey_profile, rgb_profile

from facevae.photo.images import Photo, open_photo, save_photo
from facevae.photo.metadata import EDITED, NAMESPACE

NOTES = {"Software": "facevae 9.9", "Comment": "AI-edited with facevae", "facevae": json.dumps({"strengths": {"Smiling": 1.5}, "<&>": "ü"})}
BOX = (slice(20, 44), slice(30, 60))
LOSSLESS = [("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {"lossless": True, "exact": True})]


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (64, 90, 3), dtype=np.uint8)


def encode(image: Image.Image, kind: str, **options) -> bytes:
    register_heif_opener()
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def reopened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def with_change(photo: Photo, change=(25, -18, 9)) -> np.ndarray:
    edited = photo.pixels.astype(int)
    edited[BOX] += change
    return edited.clip(0, 255).astype(np.uint8)


def outside(pixels: np.ndarray) -> np.ndarray:
    mask = np.ones(pixels.shape[:2], bool)
    mask[BOX] = False
    return pixels[mask]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
@pytest.mark.parametrize("profiled", [False, True])
@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_without_a_change_lossless_formats_give_the_original_numbers(pixels, kind, options, profiled, mode):
    alpha = np.random.default_rng(4).integers(0, 256, (*pixels.shape[:2], 1), dtype=np.uint8)
    image = Image.fromarray(np.dstack([pixels, alpha])) if mode == "RGBA" else Image.fromarray(pixels).convert(mode)
    profile = grey_profile(1.2) if mode == "L" else rgb_profile()
    if kind == "WEBP" and mode in "LP":
        pytest.skip("WebP has neither")
    content = encode(image, kind, **options, **({"icc_profile": profile} if profiled else {}))
    photo = open_photo(content)
    saved, suffix = save_photo(photo, photo.pixels, NOTES)
    again = reopened(saved)
    expected = image.convert("RGB") if mode == "P" else image
    assert again.mode == expected.mode
    assert np.array_equal(np.asarray(again), np.asarray(expected))
    assert again.info.get("icc_profile") == (profile if profiled else None)
    assert again.format == kind
    assert suffix == {"PNG": ".png", "TIFF": ".tif", "WEBP": ".webp"}[kind]


@pytest.mark.parametrize("profiled", [False, True])
@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_only_the_edited_box_changes_and_looks_as_edited(pixels, kind, options, profiled):
    calm = (pixels // 4 + 90).astype(np.uint8)  # inside the gamut of both spaces
    content = encode(Image.fromarray(calm), kind, **options, **({"icc_profile": rgb_profile()} if profiled else {}))
    photo = open_photo(content)
    edited = with_change(photo)
    saved, _ = save_photo(photo, edited, NOTES)
    assert np.array_equal(outside(np.asarray(reopened(saved))), outside(calm))
    assert np.abs(open_photo(saved).pixels.astype(int) - edited).max() <= (3 if profiled else 0)


@pytest.mark.parametrize("profiled", [False, True])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_transparency_is_kept_and_the_edit_is_seen_through_it(pixels, kind, profiled):
    calm = (pixels // 4 + 90).astype(np.uint8)
    alpha = np.tile(np.array([0, 40, 128, 255, 255, 255], np.uint8), (64, 15))
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    content = encode(
        Image.fromarray(np.dstack([calm, alpha])), kind, **options, **({"icc_profile": rgb_profile(gamma=2.0)} if profiled else {})
    )
    photo = open_photo(content)
    change = np.zeros((64, 90, 3), int)
    change[BOX] = (6, -5, 4)
    edited = (photo.pixels + change * (alpha > 0)[:, :, None]).clip(0, 255).astype(np.uint8)
    saved, _ = save_photo(photo, edited, NOTES)
    again = np.asarray(reopened(saved))
    assert np.array_equal(again[:, :, 3], alpha)
    assert np.array_equal(outside(again[:, :, :3]), outside(calm))
    assert np.abs(open_photo(saved).pixels.astype(int) - edited)[alpha >= 128].max() <= 3


def test_an_edit_in_grey_keeps_a_grey_photo_grey_and_a_coloured_one_does_not(pixels):
    content = encode(Image.fromarray(pixels[:, :, 0] // 2 + 60), "PNG", icc_profile=grey_profile(1.0))
    photo = open_photo(content)
    grey = reopened(save_photo(photo, with_change(photo, (20, 20, 20)), NOTES)[0])
    assert grey.mode == "L" and grey.info["icc_profile"] == grey_profile(1.0)
    assert np.array_equal(outside(np.asarray(grey)), outside(pixels[:, :, 0] // 2 + 60))
    edited = with_change(photo)
    coloured = save_photo(photo, edited, NOTES)[0]
    assert "icc_profile" not in reopened(coloured).info
    assert np.array_equal(open_photo(coloured).pixels, edited)


@pytest.mark.parametrize(
    ("mode", "kind"), [("CMYK", "TIFF"), ("CMYK", "JPEG"), ("LAB", "TIFF"), ("I;16", "PNG"), ("1", "PNG"), ("P", "GIF")]
)
def test_colours_that_cannot_take_an_edit_are_announced_and_look_the_same(pixels, mode, kind):
    smooth = Image.fromarray(pixels).resize((6, 4)).resize((90, 64), Image.Resampling.BICUBIC)
    image = Image.fromarray(np.asarray(smooth)[:, :, 0].astype(np.uint16) * 200) if mode == "I;16" else None
    if mode == "LAB":
        from PIL import ImageCms

        image = ImageCms.profileToProfile(smooth, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB")
    photo = open_photo(encode(image or smooth.convert(mode), kind, **({"quality": 95} if kind == "JPEG" else {})))
    edited = with_change(photo)
    saved, suffix = save_photo(photo, edited, NOTES)
    worst = np.abs(open_photo(saved).pixels.astype(int) - edited).max()
    assert worst == 0 if kind != "JPEG" else worst < 40
    assert bool(photo.remark) == (mode != "1")
    assert suffix == {"TIFF": ".tif", "JPEG": ".jpg"}.get(kind, ".png")


def test_jpeg_keeps_its_tables_its_sampling_and_its_profile(pixels):
    smooth = Image.fromarray(pixels).resize((9, 6)).resize((96, 64), Image.Resampling.BICUBIC)
    for quality, sampling, progressive in ((57, 2, False), (97, 0, True), (80, 1, False)):
        options = {"quality": quality, "subsampling": sampling, "progressive": progressive}
        content = encode(smooth, "JPEG", **options, icc_profile=rgb_profile(), comment=b"mine")
        photo = open_photo(content)
        saved, suffix = save_photo(photo, with_change(photo), NOTES)
        before, after = reopened(content), reopened(saved)
        assert after.quantization == before.quantization
        assert [layer[1:3] for layer in after.layer] == [layer[1:3] for layer in before.layer]
        assert bool(after.info.get("progressive")) == progressive
        assert after.info["icc_profile"] == rgb_profile()
        assert suffix == ".jpg"
        far = np.abs(np.asarray(after).astype(int) - np.asarray(before))[:, 70:]  # whole blocks beside the edit
        assert far.max() <= 6
    grey = open_photo(encode(smooth.convert("L"), "JPEG", quality=70))
    table = reopened(grey.content).quantization[0]
    assert set(map(tuple, reopened(save_photo(grey, with_change(grey), NOTES)[0]).quantization.values())) == {tuple(table)}


def camera_exif(pixels: np.ndarray, side: int = 6) -> Image.Exif:
    exif = Image.Exif()
    exif[274], exif[271], exif[272], exif[306], exif[33432] = side, "Maker", "Model 5", "2026:01:02 03:04:05", "© me"
    exif[0x927C] = b"not here"
    exif[40094] = "XP keywords".encode("utf-16-le")
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[36867], details[33434], details[0x927C], details[42033] = "2025:01:02 03:04:05", 0.01, b"MAKER SECRET" * 9, "SERIAL77"
    details[37510] = b"ASCII\0\0\0USER SECRET"
    place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    place[1], place[2] = "N", (52.0, 31.0, 12.0)
    exif[ExifTags.IFD.Exif], exif[ExifTags.IFD.GPSInfo] = details, place  # Pillow's TIFF writer looks at these keys alone
    return exif


def with_thumbnail(exif: bytes) -> bytes:
    """The EXIF with a second directory that holds a small JPEG, as cameras write it."""
    thumbnail = b"\xff\xd8THUMB SECRET\xff\xd9"
    little = exif[6:8] == b"II"
    order = "little" if little else "big"
    tiff = bytearray(exif[6:])
    first = int.from_bytes(tiff[4:8], order)
    end = first + 2 + 12 * int.from_bytes(tiff[first : first + 2], order)
    tiff += b"\0" * (len(tiff) % 2)
    tiff[end : end + 4] = len(tiff).to_bytes(4, order)
    data = len(tiff) + 2 + 24 + 4
    entries = [(513, 4, 1, data), (514, 4, 1, len(thumbnail))]
    tiff += (2).to_bytes(2, order)
    for tag, kind, count, value in entries:
        tiff += tag.to_bytes(2, order) + kind.to_bytes(2, order) + count.to_bytes(4, order) + value.to_bytes(4, order)
    return b"Exif\0\0" + bytes(tiff + bytes(4) + thumbnail)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "HEIF"])
def test_exif_keeps_the_camera_and_drops_place_thumbnail_and_makers_notes(pixels, kind):
    smooth = Image.fromarray(pixels).resize((9, 6)).resize((90, 64), Image.Resampling.BICUBIC)
    exif = camera_exif(pixels)
    given = exif if kind == "TIFF" else with_thumbnail(exif.tobytes())
    content = encode(smooth, kind, exif=given)
    assert kind == "AVIF" or (
        b"MAKER SECRET" in content and (kind == "TIFF" or b"THUMB SECRET" in content)
    )  # Pillow drops them itself there
    photo = open_photo(content)
    assert photo.pixels.shape == (90, 64, 3)
    saved, _ = save_photo(photo, photo.pixels, NOTES)
    assert b"SECRET" not in saved and b"SERIAL77" not in saved
    again = reopened(saved)
    assert again.size == (64, 90)
    assert np.abs(open_photo(saved).pixels.astype(int) - photo.pixels).max() < 30
    kept = again.getexif()
    assert kept[272] == "Model 5" and kept[306] == "2026:01:02 03:04:05"
    assert kept.get(274, 1) == 1
    assert not kept.get_ifd(ExifTags.IFD.GPSInfo) and not kept.get_ifd(ExifTags.IFD.IFD1)
    details = kept.get_ifd(ExifTags.IFD.Exif)
    assert details[36867] == "2025:01:02 03:04:05" and details[40962] == 64
    assert 0x927C not in details


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "BMP", "GIF", "HEIF"])
@pytest.mark.parametrize("format", ["original", "png", "heic"])
def test_every_format_says_that_it_was_edited_by_ai(pixels, kind, format):
    photo = open_photo(encode(Image.fromarray(pixels), kind))
    image = reopened(save_photo(photo, with_change(photo), NOTES, format)[0])
    packet = image.info["xmp"]
    assert EDITED.encode() in packet
    description = ElementTree.fromstring(packet).find(".//{*}Description")
    assert json.loads(description.find(f"{{{NAMESPACE}}}recipe").text) == json.loads(NOTES["facevae"])
    assert description.get("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType") == EDITED
    exif = image.getexif()
    assert exif[305] == "facevae 9.9" and exif[270] == "AI-edited with facevae"
    if image.format == "PNG":
        assert {key: image.text[key] for key in NOTES} == NOTES


@pytest.mark.parametrize("profile", [None, rgb_profile()])
def test_heic_keeps_its_colours_as_jpeg_and_as_heic_and_is_turned_once(pixels, profile):
    smooth = Image.fromarray(pixels).resize((9, 6)).resize((96, 64), Image.Resampling.BICUBIC)
    options = {"icc_profile": profile} if profile else {}
    photo = open_photo(encode(smooth, "HEIF", quality=95, exif=camera_exif(pixels).tobytes(), **options))
    assert photo.pixels.shape == (96, 64, 3) and photo.saved_as == "JPEG" and "HEIC" in photo.remark
    for format, suffix in (("original", ".jpg"), ("heic", ".heic"), ("png", ".png")):
        saved, given = save_photo(photo, photo.pixels, NOTES, format)
        image = reopened(saved)
        assert given == suffix and image.size == (64, 96) and image.info.get("icc_profile") == profile
        assert image.getexif().get(274, 1) == 1 and image.getexif()[272] == "Model 5" and b"SECRET" not in saved
        assert np.abs(open_photo(saved).pixels.astype(int) - photo.pixels).mean() < 2


def test_transparent_heic_comes_back_as_png(pixels):
    image = Image.fromarray(np.dstack([pixels, pixels[:, :, :1]]))
    photo = open_photo(encode(image, "HEIF", quality=95))
    saved, suffix = save_photo(photo, photo.pixels, NOTES)
    assert suffix == ".png" and reopened(saved).mode == "RGBA" and "saved as PNG" in photo.remark
    assert reopened(save_photo(photo, photo.pixels, NOTES, "heic")[0]).mode == "RGBA"


def test_arrays_and_images_come_back_as_png(pixels):
    for source in (pixels, Image.fromarray(pixels)):
        photo = open_photo(source)
        assert photo.content is None and photo.format == ""
        saved, suffix = save_photo(photo, with_change(photo), NOTES)
        assert suffix == ".png" and reopened(saved).format == "PNG"
        assert np.array_equal(np.asarray(reopened(saved)), with_change(photo))
    with pytest.raises(ValueError, match="the photo 90 × 64"):
        save_photo(photo, pixels[:40], NOTES)
