import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from facevae.photo import images
from facevae.photo.images import open_photo, png_bytes, to_float, to_uint8

SIDE = 48


@pytest.fixture
def pixels() -> np.ndarray:
    """Smooth and without symmetry, so that JPEG keeps it and a wrong turn shows."""
    y, x = np.mgrid[0:SIDE, 0 : SIDE + 16]
    return np.stack([x * 3, y * 4, (x + y) * 2], axis=2).astype(np.uint8)


def pixels_of(source) -> np.ndarray:
    return open_photo(source).pixels


def encode(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def refusal(source) -> str:
    with pytest.raises(ValueError) as caught:
        open_photo(source)
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def test_levels_survive_the_way_to_float_and_back():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    assert np.array_equal(to_uint8(to_float(levels))[0], levels)
    assert to_uint8(torch.tensor([[[[-1.0, 0.4999 / 255, 0.5001 / 255, 2.0]]]])).ravel().tolist() == [0, 0, 1, 255]


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "WEBP", "GIF", "JPEG", "AVIF", "HEIF"])
def test_every_format_opens_from_bytes_path_and_image(pixels, kind, tmp_path: Path):
    content = encode(Image.fromarray(pixels), kind, **({"lossless": True} if kind == "WEBP" else {"quality": 95}))
    path = tmp_path / "photo.wrong_extension"
    path.write_bytes(content)
    opened = pixels_of(content)
    worst = {"PNG": 0, "BMP": 0, "TIFF": 0, "WEBP": 0, "JPEG": 12, "AVIF": 16, "HEIF": 16, "GIF": 64}[kind]
    assert np.abs(opened.astype(int) - pixels).max() <= worst
    assert np.array_equal(pixels_of(path), opened) and np.array_equal(pixels_of(str(path)), opened)
    assert np.array_equal(pixels_of(Image.open(path)), opened)


@pytest.mark.parametrize(
    "orientation, stored",
    [
        (1, lambda p: p),
        (2, lambda p: p[:, ::-1]),
        (3, lambda p: p[::-1, ::-1]),
        (4, lambda p: p[::-1]),
        (5, lambda p: p.transpose(1, 0, 2)),
        (6, lambda p: p.transpose(1, 0, 2)[::-1]),
        (7, lambda p: p.transpose(1, 0, 2)[::-1, ::-1]),
        (8, lambda p: p.transpose(1, 0, 2)[:, ::-1]),
    ],
)
def test_exif_orientation_is_applied(pixels, orientation, stored):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encode(Image.fromarray(np.ascontiguousarray(stored(pixels))), "PNG", exif=exif)
    assert np.array_equal(pixels_of(content), pixels)


def test_grey_palette_16_bit_and_cmyk(pixels):
    grey = pixels[:, :, 0]
    expected = grey[:, :, None].repeat(3, axis=2)
    assert np.array_equal(pixels_of(encode(Image.fromarray(grey), "PNG")), expected)
    assert np.array_equal(pixels_of(encode(Image.fromarray(grey.astype(np.uint16) * 257), "PNG")), expected)
    assert np.array_equal(pixels_of(grey.astype(np.uint16) * 257), expected)
    assert np.array_equal(pixels_of(encode(Image.fromarray(grey).convert("P"), "PNG")), expected)
    bilevel = Image.fromarray(grey).point(lambda v: 255 * (v > 90), mode="1")
    assert set(np.unique(pixels_of(encode(bilevel, "PNG")))) == {0, 255}
    cmyk = pixels_of(encode(Image.fromarray(pixels).convert("CMYK"), "JPEG", quality=98))
    assert np.abs(cmyk.astype(int) - pixels).max() <= 12


def test_alpha_lies_over_white(pixels):
    alpha = np.full((*pixels.shape[:2], 1), 255, np.uint8)
    alpha[:, :20], alpha[:, 20:30] = 0, 51
    rgba = np.concatenate([pixels, alpha], axis=2)
    expected = np.rint(pixels * (alpha / 255) + 255 * (1 - alpha / 255))
    for source in (rgba, encode(Image.fromarray(rgba), "PNG"), encode(Image.fromarray(rgba), "TIFF")):
        assert np.abs(pixels_of(source) - expected).max() <= 1
    keyed = Image.fromarray(np.where(np.arange(40 * 40).reshape(40, 40) % 2, 7, 200).astype(np.uint8))
    assert set(np.unique(pixels_of(encode(keyed, "PNG", transparency=7)))) == {200, 255}


def test_first_frame_of_an_animation(pixels):
    frames = [Image.fromarray(np.full((40, 40, 3), level, np.uint8)) for level in (10, 240)]
    for kind in ("GIF", "WEBP", "PNG"):
        assert pixels_of(encode(frames[0], kind, save_all=True, append_images=frames[1:])).max() < 30


def test_colour_profile_becomes_srgb(pixels):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()  # a valid profile that fits no RGB picture
    assert np.array_equal(pixels_of(encode(Image.fromarray(pixels), "PNG", icc_profile=lab)), pixels)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert np.array_equal(pixels_of(encode(Image.fromarray(pixels), "PNG", icc_profile=srgb)), pixels)


def test_float_arrays():
    ramp = np.linspace(0, 1, 40 * 40).reshape(40, 40)
    assert np.array_equal(pixels_of(ramp)[:, :, 1], np.rint(ramp * 255).astype(np.uint8))
    assert "not numbers" in refusal(np.full((40, 40), np.nan))
    assert "0 to 1" in refusal(ramp * 300)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "empty"),
        (b"Dear diary,\nno photo today.", "text file"),
        (b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        (b"<!DOCTYPE html><p>", "web page"),
        (b"%PDF-1.7\n", "PDF"),
        (b"PK\x03\x04....", "ZIP"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "HEIC"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00\x00\x00", "video"),
        (b"\xff\xd8\xff\xe0junk", "damaged"),
        (bytes(range(256)), "not a picture"),
    ],
)
def test_what_is_no_picture_is_named(content, words, tmp_path: Path):
    path = tmp_path / "holiday.jpg"
    path.write_bytes(content)
    sentence = refusal(path)
    assert words in sentence and sentence.startswith("holiday.jpg is") and "would work" in sentence
    assert refusal(content).startswith("The picture is")


def test_missing_files_and_folders(tmp_path: Path):
    assert "missing" in refusal(tmp_path / "no.jpg")
    assert "folder" in refusal(tmp_path)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("kept", [0.02, 0.3, 0.9])
def test_truncated_files_are_refused(pixels, kind, kept):
    noisy = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    content = encode(Image.fromarray(noisy), kind)
    assert "would work" in (sentence := refusal(content[: max(1, int(len(content) * kept))])) or "damaged" in sentence


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("size", [(12000, 9000), (17000, 40), (400, 1), (31, 31)])
def test_size_limits_hold_before_pixels_are_decoded(size, monkeypatch):
    content = encode(Image.new("1", size), "PNG")
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("pixels were decoded"))
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("pixels were decoded"))
    sentence = refusal(content)
    assert f"{size[0]} × {size[1]} px" in sentence and ("at most" in sentence or "at least" in sentence)


def test_decompression_bomb_and_large_file(monkeypatch):
    header = encode(Image.new("RGB", (40, 40)), "BMP")
    bomb = header[:18] + (60000).to_bytes(4, "little") * 2 + header[26:]
    assert "megapixels" in refusal(bomb)
    monkeypatch.setattr(images, "MAX_FILE_BYTES", 100)
    assert "too large" in refusal(header)


def test_png_notes_come_back(pixels):
    notes = {"Software": "facevae 0.1", "Comment": "AI-edited with facevae: Lächeln 😀", "recipe": '{"a": ' + "1" * 3000 + "}"}
    with Image.open(io.BytesIO(png_bytes(pixels, notes))) as image:
        packet = image.text.pop("XML:com.adobe.xmp")
        assert "trainedAlgorithmicMedia" in packet and "Lächeln 😀" in packet
        assert image.text == notes and np.array_equal(np.asarray(image), pixels)
    with pytest.raises(ValueError, match="keyword"):
        png_bytes(pixels, {"": "x"})
