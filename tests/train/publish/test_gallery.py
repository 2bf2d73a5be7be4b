"""The gallery on a tiny model: every look and slider is there, verdicts stay, and the table counts them."""

from dataclasses import replace

import numpy as np
import pytest
from colour_parser import hair_above_skin
from PIL import Image

from facevae.editor import Editor
from facevae.nets.judge import Judge, JudgeConfig
from train.publish import gallery


def test_every_look_and_slider_of_a_photo_is_drawn_and_its_verdicts_are_counted(tiny_checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(gallery, "DRAWN_SEEDS", (1,))
    monkeypatch.setattr(gallery, "CELL_PX", 32)
    judge = Judge(JudgeConfig(tiny_checkpoint.classifier.config.attributes, 32, (4, 8, 8))).eval()
    editor = Editor(replace(tiny_checkpoint, judge=judge))
    editor.renderer.parser = hair_above_skin()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 40, 3)).astype(np.uint8)).save(tmp_path / "noise.png")
    (tmp_path / "words.txt").write_text("no photo")
    verdicts = gallery.draw_gallery(editor, gallery.photos_of(tmp_path), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").glob("*.jpg")} == {
        f"{face}-{kind}.jpg" for face in ("noise", "face-1") for kind in ("looks", "sliders")
    }
    for kind, cells in (("looks", len(editor.goals)), ("sliders", 2 * len(editor.controls))):
        with Image.open(tmp_path / "out" / f"noise-{kind}.jpg") as sheet:
            assert sheet.size == (4 * 32, -(-(cells + 1) // 4) * (32 + 26))
    lines = verdicts.read_text().splitlines()
    assert len(lines) == 1 + 2 * len(editor.goals)
    first = editor.goals[0].name
    lines[1:3] = [f"noise,{first},yes", lines[2] + "no"]
    verdicts.write_text("\n".join(lines))
    gallery.write_verdicts(verdicts, ["noise", "other"], [goal.name for goal in editor.goals])
    table = gallery.tally(verdicts)
    assert f"| {first} | 1 | 0 | 0 | 100% |" in table and "| all | 1 | 0 | 1 | 50% |" in table
    verdicts.write_text(f"a,b,c\nnoise,{first},maybe\n")
    with pytest.raises(ValueError, match="line 2: a line is photo, look and one of yes, arguable, no"):
        gallery.tally(verdicts)
    with pytest.raises(ValueError, match="there is no photo in"):
        gallery.photos_of(tmp_path / "nothing")
