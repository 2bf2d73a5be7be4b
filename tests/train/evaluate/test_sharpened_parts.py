"""Measuring the detail net: on held-out photos alone, beside its goals."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facevae.checkpoint.checkpoint import Checkpoint
from train.data.replaced_parts import held_out_crops
from train.evaluate.sharpened_parts import detail_text, evaluate_detail


@pytest.fixture
def parsing(tmp_path: Path) -> Path:
    """Two faces of celebamask, of which the one whose number ends in 0 is held out, and one mask of each other source."""
    rng = np.random.default_rng(0)
    for source, names in (("celebamask", ("0010", "0011")), ("hair_celeba", ("000001",)), ("hair_lfw", ("A_0001",))):
        for name in names:
            for kind, suffix in (("images", "jpg"), ("masks", "png")):
                (tmp_path / source / kind).mkdir(parents=True, exist_ok=True)
                shape, levels = ((64, 64, 3), 256) if kind == "images" else ((64, 64), 18)
                pixels = rng.integers(0, levels, shape, dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / source / kind / f"{name}.{suffix}")
    (tmp_path / "machine").mkdir()
    Image.fromarray(rng.integers(0, 18, (64, 64), dtype=np.uint8)).save(tmp_path / "machine" / "000001.png")
    (tmp_path / "list_attr_celeba.txt").write_text("1\nEyeglasses Wearing_Hat\n000001.jpg -1 -1\n")
    return tmp_path


def test_what_was_trained_on_is_left_out(parsing: Path) -> None:
    crops = held_out_crops(256, parsing, parsing, lambda x: x, 32, 5)
    assert crops.photos.shape == (1, 256, 256, 3) and crops.held_out.all() and not len(crops.edited)
    photo = np.asarray(Image.open(parsing / "celebamask" / "images" / "0010.jpg"))
    assert abs(crops.photos[0].mean() - photo.mean()) < 8 and crops.decodes.shape == (1, 32, 32, 3)
    assert not len(held_out_crops(128, parsing, parsing, lambda x: x, 32, 5).photos)


def test_a_checkpoint_without_a_detail_net_is_refused_in_one_sentence(tiny_checkpoint: Checkpoint, parsing: Path) -> None:
    with pytest.raises(ValueError, match="no detail net"):
        evaluate_detail(tiny_checkpoint, parsing, parsing)


def test_the_table_holds_both_sizes_and_the_goals() -> None:
    found = {f"{what}{size}{end}": 0.5 for size in (128, 256) for what, end in (("dist", ""), ("sharp", ""), ("sharp", "_decode"))}
    text = detail_text({"held_out": found | {"sharp256": 0.677}})
    assert "| sharpness | 0.50 | 0.68 | 0.9 to 1.05 |" in text and "at most 0.6" in text
