"""What is remembered of a photo that changes are laid over: no pixel changes by it, and it goes with its photo."""

import numpy as np
from colour_parser import only

from facevae.photo import crop_background
from facevae.photo.alignment import Alignment, Square, whole
from facevae.photo.compositing import DETAIL, paste
from facevae.photo.crop_background import CropBackground, ground_of

SKIN = only("skin")


def lay(photo: np.ndarray, before: np.ndarray, after: np.ndarray, alignment: Alignment, ground: CropBackground | None = None) -> np.ndarray:
    """A change laid over a photo that shows skin and nothing else."""
    return paste(photo, before, after, np.zeros(3, np.float32), alignment, SKIN, DETAIL, ground)


def test_what_is_remembered_of_one_photo_is_not_taken_for_another() -> None:
    rng = np.random.default_rng(3)
    photos = [rng.integers(0, 256, (60, 60, 3), dtype=np.uint8) for _ in range(2)]
    before, after = rng.random((2, 32, 32, 3), dtype=np.float32)
    alone = []
    for photo in photos:
        crop_background.forget()
        alone.append(lay(photo, before, after, whole(60)))
    for photo, wanted in (*zip(photos, alone, strict=True), (photos[0], alone[0])):
        assert np.array_equal(lay(photo, before, after, whole(60)), wanted)
    assert not np.array_equal(*alone)


def test_a_remembered_ground_changes_no_pixel_and_goes_with_its_photo() -> None:
    rng = np.random.default_rng(6)
    crop_background.forget()
    photos = [rng.integers(0, 256, (60, 60, 3), dtype=np.uint8) for _ in range(2)]
    pictures = rng.random((3, 32, 32, 3), dtype=np.float32)
    for photo in (*photos, photos[0]):
        for alignment in (whole(60), Alignment(Square(30, 30, 40, 0.17).matrix(), found=True)):
            for before, after in (pictures[:2], pictures[1:], pictures[:2]):
                remembered = lay(photo, before, after, alignment, ground=ground_of(photo, alignment, 32, SKIN))
                assert np.array_equal(remembered, lay(photo, before, after, alignment))
    assert ground_of(photo, alignment, 32, SKIN) is ground_of(photo, alignment, 32, SKIN)
    assert len(crop_background._grounds) == 4
    del photo, photos[:]
    assert not crop_background._grounds
    kept = [rng.integers(0, 256, (20, 20, 3), dtype=np.uint8) for _ in range(crop_background.MOST_GROUNDS + 1)]
    first, *_ = [ground_of(photo, whole(20), 8, SKIN) for photo in kept]
    assert len(crop_background._grounds) == crop_background.MOST_GROUNDS
    assert ground_of(kept[0], whole(20), 8, SKIN) is not first
    crop_background.forget()
    assert not crop_background._grounds
