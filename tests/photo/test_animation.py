"""Films say what they are, play what was put in, and write only what changes."""

import io

import numpy as np
import pytest
from PIL import Image

from facevae.photo.animation import NOTE, Changes, animation_bytes, film_formats, open_film

WORST = 5
"""Mean difference in levels: a square that is one frame late makes 9."""


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """A square that moves over a smooth picture of odd size."""
    y, x = np.mgrid[:63, :81]
    still = np.stack([x * 3, y * 4, 255 - x * 2], axis=2).astype(np.uint8)
    film = np.repeat(still[None], 4, axis=0)
    for k, frame in enumerate(film):
        frame[20:40, 11 + 10 * k : 31 + 10 * k] = (250, 200, 30)
    return film


@pytest.mark.parametrize("format", ["gif", "webp"])
@pytest.mark.parametrize("loop", [True, False])
def test_what_was_put_in_comes_out_there_and_back(frames, format, loop):
    content = animation_bytes(frames, format, 70, loop)
    expected = [0, 1, 2, 3, 2, 1] if loop else [0, 1, 2, 3]
    with Image.open(io.BytesIO(content)) as film:
        assert film.format == format.upper() and film.n_frames == len(expected) and film.info["loop"] == 0
        for position, k in enumerate(expected):
            film.seek(position)
            film.load()
            assert film.info["duration"] == 70
            assert np.abs(np.asarray(film.convert("RGB")).astype(int) - frames[k]).mean() < WORST
    assert NOTE.encode() in content
    assert content == animation_bytes(frames, format, 70, loop)


def test_an_mp4_has_the_same_frames_and_colours(frames):
    av = pytest.importorskip("av", reason="NO MP4: pip install av")
    content = animation_bytes(frames, "mp4", 50, loop=False)
    with av.open(io.BytesIO(content)) as film:
        assert film.metadata["comment"] == NOTE
        assert film.streams.video[0].codec_context.name == "h264" and film.streams.video[0].average_rate == 20
        seen = [picture.to_ndarray(format="rgb24") for picture in film.decode(video=0)]
    assert len(seen) == 4 and seen[0].shape == (62, 80, 3)
    for one, other in zip(seen, frames, strict=True):
        assert np.abs(one.astype(int) - other[:62, :80]).mean() < WORST
        assert one[30].min() < 60


def test_a_film_that_plays_once_says_so(frames):
    for format in ("gif", "webp"):
        film = open_film(format, frames, forever=False)
        for frame in frames:
            film.add(frame)
        with Image.open(io.BytesIO(film.close())) as opened:
            assert opened.info.get("loop", 1) == 1 and opened.n_frames == 4


def test_only_the_box_of_what_changes_is_written(frames):
    changes = Changes()
    assert changes.box(frames[0]) == (0, 0, 81, 63)
    assert changes.box(frames[1]) == (10, 20, 41, 40)
    assert changes.box(frames[1]) == (0, 0, 2, 2)


def test_mp4_is_offered_only_where_it_can_be_written(frames, monkeypatch):
    monkeypatch.setattr("facevae.photo.animation.find_spec", lambda name: None)
    assert film_formats() == ("gif", "webp")
    with pytest.raises(ValueError, match="MP4 needs PyAV"):
        open_film("mp4", frames)
