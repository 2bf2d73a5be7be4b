"""Write animations (GIF, WebP, MP4) frame by frame, with a note that they are AI-made."""

import io
from collections.abc import Sequence
from fractions import Fraction
from importlib.util import find_spec

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from PIL.GifImagePlugin import getdata, getheader

NOTE = "AI-edited with facevae"
WEBP_QUALITY = 90
MP4_OPTIONS = {"crf": "18", "preset": "veryfast"}  # crf runs from 0, lossless, to 51; "medium" takes four times as long
PALETTE_FRAMES = 16

Frame = UInt8[np.ndarray, "h w 3"]
Frames = Sequence[Frame] | UInt8[np.ndarray, "n h w 3"]


def film_formats() -> tuple[str, ...]:
    """What `open_film` can write here: MP4 only where PyAV is installed."""
    return ("gif", "webp", "mp4") if find_spec("av") else ("gif", "webp")


def open_film(format: str, samples: Frames, duration_ms: int = 60, forever: bool = True) -> "GifFilm | WebpFilm | Mp4Film":
    """A film to `add` frames to, one by one, and to `close`, which gives the file's content.

    All frames are as large as the `samples`, which lend a GIF its colours. An MP4 does not say whether it plays `forever`.
    `ValueError` for a format that cannot be written here, or a frame that lasts less than 10 or more than 10,000 ms.
    """
    if format == "mp4" and format not in film_formats():
        raise ValueError('MP4 needs PyAV: pip install "facevae[video]"')
    if format not in film_formats():
        raise ValueError(f"the format must be {', '.join(film_formats()[:-1])} or {film_formats()[-1]}, not {format}")
    if not 10 <= duration_ms <= 10_000:
        raise ValueError(f"a frame must last 10 to 10000 ms, not {duration_ms}")
    if format == "gif":
        return GifFilm(samples, duration_ms, forever)
    return WebpFilm(duration_ms, forever) if format == "webp" else Mp4Film(duration_ms)


def animation_bytes(frames: UInt8[np.ndarray, "n h w 3"], format: str = "webp", duration_ms: int = 60, loop: bool = True) -> bytes:
    """A film of the frames, there and, with `loop`, back again; errors as in `open_film`."""
    film = open_film(format, frames[:: max(1, len(frames) // PALETTE_FRAMES)], duration_ms)
    for frame in np.concatenate([frames, frames[-2:0:-1]]) if loop else frames:
        film.add(frame)
    return film.close()


class Changes:
    """Which part of each frame has to be written: the box around what differs from the frame before."""

    def __init__(self) -> None:
        self.before: Frame | None = None

    def box(self, frame: Frame) -> tuple[int, int, int, int]:
        """Left, top, right and bottom in px; left and top are even, as WebP wants them. Where nothing differs, one corner."""
        before, self.before = self.before, frame
        height, width = frame.shape[:2]
        if before is None:
            return 0, 0, width, height
        differs = (frame != before).any(axis=2)
        if not differs.any():
            return 0, 0, min(2, width), min(2, height)
        rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
        return int(columns[0]) & ~1, int(rows[0]) & ~1, int(columns[-1]) + 1, int(rows[-1]) + 1


class GifFilm:
    """One palette for the whole film: a palette for each frame takes a hundred times longer and flickers."""

    def __init__(self, samples: Frames, duration_ms: int, forever: bool) -> None:
        self.duration_ms, self.changes, self.buffer = duration_ms, Changes(), io.BytesIO()
        self.palette = Image.fromarray(np.concatenate(samples)).quantize(256, method=Image.Quantize.FASTOCTREE)
        canvas = Image.new("P", samples[0].shape[1::-1])
        canvas.putpalette(self.palette.getpalette())
        about = {"duration": duration_ms, "comment": NOTE.encode()} | ({"loop": 0} if forever else {})
        self.buffer.writelines(getheader(canvas, info=about)[0])

    def add(self, frame: Frame) -> None:
        left, top, right, bottom = self.changes.box(frame)
        part = Image.fromarray(frame[top:bottom, left:right]).quantize(palette=self.palette, dither=Image.Dither.FLOYDSTEINBERG)
        self.buffer.writelines(getdata(part, (left, top), duration=self.duration_ms))

    def close(self) -> bytes:
        self.buffer.write(b";")
        return self.buffer.getvalue()


class WebpFilm:
    """Frames as Pillow writes stills, in the container of animations (RFC 9649, section 2.7).

    Pillow's own writer of animations wants all frames at once and cannot be stopped.
    """

    def __init__(self, duration_ms: int, forever: bool) -> None:
        self.duration_ms, self.forever, self.changes, self.size, self.parts = duration_ms, forever, Changes(), (0, 0), []

    def add(self, frame: Frame) -> None:
        self.size = frame.shape[1], frame.shape[0]
        left, top, right, bottom = self.changes.box(frame)
        still = io.BytesIO()
        Image.fromarray(frame[top:bottom, left:right]).save(still, "WEBP", quality=WEBP_QUALITY, method=2)
        place = (left // 2, top // 2, right - left - 1, bottom - top - 1, self.duration_ms)
        over = b"\x02"  # the part replaces what is there, and stays
        self.parts.append(chunk(b"ANMF", b"".join(value.to_bytes(3, "little") for value in place) + over + still.getvalue()[12:]))

    def close(self) -> bytes:
        animated, described = 0x02, 0x04
        size = b"".join((value - 1).to_bytes(3, "little") for value in self.size)
        head = chunk(b"VP8X", bytes((animated | described, 0, 0, 0)) + size)
        times = (0 if self.forever else 1).to_bytes(2, "little")
        note = chunk(b"XMP ", f"<x>{NOTE}</x>".encode())
        return chunk(b"RIFF", b"".join((b"WEBP", head, chunk(b"ANIM", bytes(4) + times), *self.parts, note)))


def chunk(name: bytes, content: bytes) -> bytes:
    """A chunk of a RIFF file, padded to an even length."""
    return name + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)


class Mp4Film:
    """H.264 by PyAV. Its colours are sampled by twos, so an odd last row or column is left out."""

    BT709 = 1  # the colours of high definition; unnamed, players would guess by the size

    def __init__(self, duration_ms: int) -> None:
        self.duration_ms, self.buffer, self.stream = duration_ms, io.BytesIO(), None

    def add(self, frame: Frame) -> None:
        import av

        frame = frame[: frame.shape[0] // 2 * 2, : frame.shape[1] // 2 * 2]
        if self.stream is None:
            self.container = av.open(self.buffer, "w", format="mp4")
            self.container.metadata["comment"] = NOTE
            self.stream = self.container.add_stream("libx264", rate=Fraction(1000, self.duration_ms), options=MP4_OPTIONS)
            self.stream.height, self.stream.width = frame.shape[:2]
            self.stream.pix_fmt = "yuv420p"
            context = self.stream.codec_context
            context.colorspace = context.color_primaries = context.color_trc = self.BT709
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace=self.BT709)
        self.container.mux(self.stream.encode(picture))

    def close(self) -> bytes:
        self.container.mux(self.stream.encode())
        self.container.close()
        return self.buffer.getvalue()
