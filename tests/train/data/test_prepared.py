"""CelebA's layout in, arrays out; broken files are named with their line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facevae.photo.images import shrink
from train.data.batches import Batches, Variation
from train.data.prepared import CELEBA_CROP_PX, PreparedData, list_celeba, list_folder, load_square, prepare
from train.data.synthetic import prepare_synthetic, write_celeba_layout


@pytest.fixture
def celeba(tmp_path: Path) -> Path:
    write_celeba_layout(tmp_path / "celeba", 12, seed=0)
    return tmp_path / "celeba"


def test_prepare_celeba(celeba: Path, tmp_path: Path) -> None:
    listing = list_celeba(celeba)
    prepare(listing, tmp_path / "out", 32, CELEBA_CROP_PX)
    data = PreparedData(tmp_path / "out")
    assert data.images.shape == (12, 32, 32, 3)
    assert len(data.indices("train")) + len(data.indices("valid")) + len(data.indices("test")) == 12
    assert np.array_equal(data.labels, listing.labels)
    with Image.open(listing.files[3]) as file:  # the centre square, resized with antialiasing; its rim may see what lies outside
        expected = file.convert("RGB").crop((0, 20, 178, 198)).resize((32, 32), Image.Resampling.LANCZOS)
    assert np.array_equal(data.images[3][3:-3], np.asarray(expected)[3:-3])


def test_subset_of_images_is_fine(celeba: Path) -> None:
    for path in sorted((celeba / "img_align_celeba").glob("*.jpg"))[4:]:
        path.unlink()
    assert len(list_celeba(celeba).files) == 4


def test_interrupted_prepare_goes_on(celeba: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import train.data.prepared as module

    listing, seen = list_celeba(celeba), []

    def load(path: Path, size: int, crop: int | None) -> np.ndarray:
        seen.append(path.name)
        if len(seen) == 6:
            raise KeyboardInterrupt
        return load_square(path, size, crop)

    monkeypatch.setattr(module, "CHUNK", 4)
    monkeypatch.setattr(module, "load_square", load)
    with pytest.raises(KeyboardInterrupt):
        prepare(listing, tmp_path / "out", 16, workers=1)
    with pytest.raises(ValueError, match="not a prepared data set"):
        PreparedData(tmp_path / "out")
    seen.clear()
    monkeypatch.setattr(module, "load_square", load_square)
    prepare(listing, tmp_path / "out", 16)
    images = PreparedData(tmp_path / "out").images
    assert all(np.array_equal(images[i], load_square(p, 16, None)) for i, p in enumerate(listing.files))


@pytest.mark.parametrize(
    ("file", "line", "text", "message"),
    [
        ("list_attr_celeba.txt", 4, "000002.jpg 1 -1", r"list_attr_celeba.txt, line 5: expected \d+ values after '000002.jpg', found 2"),
        ("list_eval_partition.txt", 1, "000002.jpg train", r"list_eval_partition.txt, line 2: expected whole numbers"),
        ("list_eval_partition.txt", 1, "other.jpg 0", r"no partition 0, 1 or 2 for 000002.jpg"),
    ],
)
def test_broken_line_is_named(celeba: Path, file: str, line: int, text: str, message: str) -> None:
    lines = (celeba / file).read_text().splitlines()
    lines[line] = text
    (celeba / file).write_text("\n".join(lines))
    with pytest.raises(ValueError, match=message):
        list_celeba(celeba)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="img_align_celeba is missing"):
        list_celeba(tmp_path)
    with pytest.raises(ValueError, match="holds no pictures"):
        list_folder(tmp_path)
    (tmp_path / "a.jpg").write_text("not a picture")
    with pytest.raises(ValueError, match=r"a\.jpg cannot be read as a picture"):
        prepare(list_folder(tmp_path), tmp_path / "out", 16)


def test_batches_depend_on_seed_and_nimg_alone(tmp_path: Path) -> None:
    prepare_synthetic(tmp_path, 30, 16, seed=0)
    data = PreparedData(tmp_path)
    one, two = Batches(data, "train", seed=3, shift_px=2), Batches(data, "train", seed=3, shift_px=2)
    for nimg in (0, 8, 16, 24):
        one(nimg, 8)
    again, index = two(24, 8)
    pictures, same = one(24, 8)
    assert np.array_equal(index, same) and np.array_equal(pictures, again)
    n = len(data.indices("train"))
    epoch = np.concatenate([one.indices(i, 1) for i in range(n)])
    assert sorted(epoch) == sorted(data.indices("train"))
    assert not np.array_equal(epoch, np.concatenate([one.indices(n + i, 1) for i in range(n)]))


@pytest.fixture
def toys(tmp_path: Path) -> PreparedData:
    prepare_synthetic(tmp_path / "toys", 10, 32, seed=0)
    return PreparedData(tmp_path / "toys")


def test_grey_is_that_of_itu_601(toys: PreparedData) -> None:
    grey = toys.resized((1, 32, 32))
    assert grey.images.shape == (10, 32, 32, 1) and grey.shape == (1, 32, 32)
    expected = np.stack([np.asarray(Image.fromarray(picture).convert("L")) for picture in toys.images])  # Pillow's L is ITU-R 601
    assert np.abs(grey.images[..., 0].astype(int) - expected).max() <= 1
    assert grey.attributes == toys.attributes and np.array_equal(grey.labels, toys.labels)
    assert toys.shape == (3, 32, 32)  # the data themselves stay as they were


def test_a_narrow_shape_keeps_the_middle_columns(toys: PreparedData) -> None:
    """64 × 48 of 64 × 64 leaves out 8 columns on either side; here half of that. Nothing outside shines in when it is shrunk as well."""
    assert np.array_equal(toys.resized((3, 32, 24)).images, toys.images[:, :, 4:28])
    pictures = np.full((2, 32, 32, 3), 255, np.uint8)
    pictures[:, :, 4:28] = np.arange(24, dtype=np.uint8)[:, None] * 4
    small = shrink(pictures, (3, 16, 12)).astype(int)
    assert small.shape == (2, 16, 12, 3) and small.max() <= 23 * 4
    assert np.array_equal(small[0, 8, 1:-1, 0], 2 + 8 * np.arange(1, 11))  # each pixel the mean of its two columns


def test_shrinking_sees_every_column() -> None:
    """One white column in four is a quarter of white; without antialiasing it would fall between the samples."""
    pictures = np.zeros((1, 32, 32, 3), np.uint8)
    pictures[:, :, ::4] = 255
    assert np.abs(shrink(pictures, (3, 8, 8))[0, :, 1:-1] - 255 / 4).max() < 3


def test_resized_pictures_are_made_once(toys: PreparedData, monkeypatch: pytest.MonkeyPatch) -> None:
    import train.data.prepared as module

    first = toys.resized((1, 8, 8))
    monkeypatch.setattr(module, "shrink_all", lambda *a: pytest.fail("made again"))
    assert np.array_equal(PreparedData(toys.folder).resized((1, 8, 8)).images, first.images)
    assert toys.resized((3, 32, 32)) is toys


@pytest.mark.parametrize("shape", [(3, 33, 32), (3, 32, 48), (1, 64, 64), (4, 16, 16)])
def test_enlarging_is_refused(toys: PreparedData, shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=rf"pictures of 32 px, the net wants {shape[1]} × {shape[2]} px"):
        toys.resized(shape)


def test_grey_pictures_get_no_colour_back(toys: PreparedData) -> None:
    with pytest.raises(ValueError, match="the net wants 8 × 8 px"):
        toys.resized((1, 16, 16)).resized((3, 8, 8))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("pad", [0, 2, 11])  # the last beyond the picture's side
def test_pictures_are_shifted_and_flipped_as_numpy_would(channels: int, pad: int) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (40, 8, 9, channels), np.uint8)
    varied = Variation(shift_px=pad).apply(pictures, (channels, 8, 9), (1, 2), 40)
    wide = np.pad(pictures, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="edge")
    cuts = np.lib.stride_tricks.sliding_window_view(wide, (8, 9), (1, 2)).transpose(0, 1, 2, 4, 5, 3)  # (n, tops, lefts, h, w, c)
    seen = set()
    for i, picture in enumerate(varied):
        places = [(*at, flip) for flip in (1, -1) for at in np.ndindex(cuts.shape[1:3]) if (cuts[i][at][:, ::flip] == picture).all()]
        assert places
        seen.update(flip for *_, flip in places)
    assert seen == {1, -1}
