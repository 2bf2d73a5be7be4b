"""The bench times calls in turn; what it prints is a ratio."""

import io

from PIL import Image

from train.bench import interleave, large_photo, print_bench


def test_calls_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []
    seconds = interleave({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=3)
    assert order == ["a", "b"] * 4 and set(seconds) == {"a", "b"} and min(seconds.values()) >= 0


def test_rows_are_shares_of_the_first(capsys) -> None:
    print_bench({"models": 2.0, "preview": 3.0, "ratio": 1.5})
    out = capsys.readouterr().out
    assert "1.00 ×" in out and "1.50 ×" in out and "takes 1.50 times" in out


def test_the_photo_has_twelve_megapixels() -> None:
    with Image.open(io.BytesIO(large_photo())) as photo:
        assert photo.format == "JPEG" and 11.9e6 < photo.width * photo.height < 12.1e6
