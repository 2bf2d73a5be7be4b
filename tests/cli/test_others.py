"""morph, generate, inspect, checkpoints, and the table of commands."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cli_photos import draw, pixels

from facevae.__main__ import COMMANDS, main
from facevae.cli.generate import seeds_of
from facevae.cli.names import find_attribute, read_wanted
from facevae.editor.contact_sheet import draw_sheet
from facevae.editor.morph_types import FilmConfig, MorphPath


@pytest.fixture
def pair(tmp_path) -> tuple[Path, Path]:
    return draw(tmp_path / "a.png", 1), draw(tmp_path / "b.png", 2)


def test_morph_is_the_editors_film(rows, call, editor, pair, tmp_path) -> None:
    code, [row] = rows("morph", *pair, "--frames", 8, "--repeat", "once", "--duration-ms", 40, "-o", tmp_path / "film.webp")
    assert (code, row["frames"]) == (0, 8)
    faces = [editor.open_photo(path) for path in pair]
    *_, last = editor.morph_film(faces, MorphPath(repeat="once"), FilmConfig("webp", 8, 40))
    assert (tmp_path / "film.webp").read_bytes() == last.data
    assert rows("morph", *pair, "--frames", 8)[1][0]["output"] == str(tmp_path / "a-to-b.gif")
    code, out, _ = call("morph", *pair, "--position", 0.25, "-o", "-")
    assert code == 0 and np.array_equal(pixels(out), editor.morph(*faces, [0.25])[0])
    code, [row] = rows("morph", pair[0], tmp_path / "gone.png", "-o", tmp_path / "no.gif")
    assert code == 1 and "gone.png" in row["message"] and not (tmp_path / "no.gif").exists()
    assert call("morph", *pair, "-o", pair[1])[0] == 2


def test_morph_goes_through_recipes_and_travels_in_parts(rows, editor, pair, tmp_path) -> None:
    (drawn,) = editor.generate([4])
    (tmp_path / "drawn.json").write_text(json.dumps(editor.recipe(drawn, {"Smiling": 2.0}).as_json()))
    asked = ("morph", *pair, tmp_path / "drawn.json", "--parts", "hair", "--where", "photo", "--position", 1, "-o", tmp_path / "end.png")
    assert rows(*asked)[0] == 0
    faces = [*(editor.open_photo(path) for path in pair), editor.bake(drawn, {"Smiling": 2.0})]
    expected = next(editor.morph_through(faces, [1.0], MorphPath(parts=("Blond_Hair",)), "photo"))
    assert np.array_equal(pixels(tmp_path / "end.png"), expected)


def test_generate_draws_the_page_s_sheet(rows, editor, tmp_path) -> None:
    code, [row] = rows("generate", "--seeds", "3-5,9", "--temperature", 0.7, "-o", tmp_path / "sheet.png")
    assert code == 0 and [face["seed"] for face in row["faces"]] == [3, 4, 5, 9]
    assert np.array_equal(pixels(tmp_path / "sheet.png"), draw_sheet(editor.generate([3, 4, 5, 9], 0.7), 4))
    assert rows("generate", "--seeds", "3-", "--count", 3, "-o", tmp_path / "each/")[0] == 0
    assert {path.name for path in (tmp_path / "each").iterdir()} == {f"face-{seed}-facevae.png" for seed in (3, 4, 5)}
    assert np.array_equal(pixels(tmp_path / "each" / "face-4-facevae.png"), editor.generate([4])[0].crop)


def test_generate_keeps_what_was_wished_for(rows, editor, tmp_path) -> None:
    fits = [seed for seed in range(40) if editor.probabilities(editor.generate([seed])[0])["Male"] > 0.5]
    wish = "--with" if 0 < len(fits) < 40 else "--without"
    code, [row] = rows("generate", "--seeds", "0-39", wish, "male", "-o", tmp_path / "all.png")
    assert code == 0 and [face["seed"] for face in row["faces"]] == (fits if wish == "--with" else [])
    assert row["tried"] == 40
    code, [row] = rows("generate", "--seeds", "0-", "--count", 2, wish, "male", "-o", tmp_path / "two.png")
    assert [face["seed"] for face in row["faces"]] == fits[:2]


def test_a_file_in_the_way_of_one_face_stops_no_other(rows, tmp_path) -> None:
    stranger = draw(tmp_path / "out" / "face-4-facevae.png")
    before = stranger.read_bytes()
    code, found = rows("generate", "--seeds", "3-5", "-o", tmp_path / "out/")
    assert code == 1 and [row["status"] for row in found] == ["done", "failed", "done"] and stranger.read_bytes() == before


def test_generate_draws_neighbours_around_a_face(rows, editor, tmp_path) -> None:
    assert rows("generate", "--seeds", 6, "--near", 4, "--radius", 0.3, "-o", tmp_path / "near.png")[0] == 0
    (face,) = editor.generate([6])
    near = editor.neighbours(face, range(4), 0.3, 1)
    assert np.array_equal(pixels(tmp_path / "near.png"), draw_sheet([*near[:2], face, *near[2:]], 3))


def test_seeds_as_they_are_written() -> None:
    assert [list(run) for run in seeds_of("7, 0-2,5")] == [[7], [0, 1, 2], [5]]
    assert seeds_of("100-")[0].start == 100 and seeds_of("4294967295")[0] == range(2**32 - 1, 2**32)
    for wrong in ("", "x", "3-1", "-4", "1-,2", "4294967296", "1 - 2 - 3"):
        with pytest.raises(ValueError, match="row of seeds"):
            seeds_of(wrong)


def test_inspect_tells_faces_and_scores(rows, call, pair, tmp_path) -> None:
    code, [row] = rows("inspect", pair[0])
    assert (code, row["found"], row["width"], row["height"]) == (0, 0, 80, 64)
    (face,) = row["faces"]
    assert face["scores"].keys() == {"Smiling", "Blond_Hair", "Male", "Young"} and 0 <= face["probabilities"]["Smiling"] <= 1
    code, out, _ = call("inspect", tmp_path)
    assert code == 0 and "2 in all: 2 done" in out.decode() and "No face was found" in out.decode()
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}
    assert rows("inspect", "-", given=pair[0].read_bytes())[1][0]["faces"] == row["faces"]


def test_checkpoints_are_listed_and_verified(folder, tmp_path, capsys) -> None:
    broken = shutil.copytree(folder, tmp_path / "all" / "broken")
    shutil.copytree(folder, tmp_path / "all" / "whole")
    (broken / "prior.safetensors").write_bytes((broken / "prior.safetensors").read_bytes()[:-1] + b"!")
    assert main(["checkpoints", "list", str(tmp_path / "all"), "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [Path(row["input"]).name for row in found] == ["faces-128", "broken", "whole"]
    assert found[2]["latent"] == 6 and found[2]["size_px"] == 16
    assert main(["checkpoints", "verify", str(broken), str(tmp_path / "all" / "whole")]) == 1
    out = capsys.readouterr().out
    assert "prior.safetensors" in out and "SHA-256 differs" in out and "whole: 16 px" in out
    assert main(["checkpoints", "list", str(tmp_path)]) == 1
    capsys.readouterr()
    assert main(["checkpoints", "verify", ""]) == 1 and "the name of the checkpoint is empty" in capsys.readouterr().out


def test_a_damaged_checkpoint_in_the_cache_is_a_row_of_its_own(hub, tmp_path, folder, capsys) -> None:
    from huggingface_hub import constants

    cached = Path(constants.HF_HUB_CACHE) / "models--them--faces" / "snapshots" / ("0" * 40)
    shutil.copytree(folder, cached)
    (cached / "directions.json").write_text("[]")  # it raised, and the checkpoints behind it were not listed
    assert main(["checkpoints", "list", str(folder), "--json"]) == 1
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["status"] for row in found] == ["done", "done", "failed"] and "them/faces@000" in found[2]["input"]


def test_a_checkpoint_that_is_none_is_wrong_usage(tmp_path, capsys) -> None:
    for source in (tmp_path, tmp_path / "nowhere"):
        assert main(["edit", "x.jpg", "--checkpoint", str(source), "--smiling", "1"]) == 2
        assert str(source) in capsys.readouterr().err
    for config, low in (("[]", '"x"'), ('{"format": 1e999}', "-1"), ("{}", "1" * 400)):
        (tmp_path / "config.json").write_text(config)
        (tmp_path / "directions.json").write_text(f'{{"Smiling": {{"low": {low}, "high": 1}}}}')
        assert main(["edit", "x.jpg", "--checkpoint", str(tmp_path), "--help"]) == 2
        assert "is no checkpoint folder" in capsys.readouterr().err


def test_names_in_any_spelling_and_in_the_page_s_words() -> None:
    known = ("Blond_Hair", "No_Beard", "Male", "5_o_Clock_Shadow", "Attractive")
    for given in ("blond_hair", "Blond-Hair", "BLOND HAIR", "blond hair"):
        assert find_attribute(given, known) == ("Blond_Hair", True)
    assert find_attribute("beard", known) == ("No_Beard", False) and find_attribute("no-beard", known) == ("No_Beard", True)
    assert read_wanted(["beard"], ["male"], known) == {"No_Beard": False, "Male": False}
    with pytest.raises(ValueError, match="judgement of the annotators"):
        read_wanted(["attractive"], [], known)
    with pytest.raises(ValueError, match="did you mean big-nose, pointy-nose"):
        find_attribute("nose", ("Big_Nose", "Pointy_Nose"))


def test_help_is_there_for_every_command_and_waits_for_no_torch() -> None:
    for name in COMMANDS:
        assert main([*name.split(), "--help"]) == 0
    code = (
        "import sys; from facevae.__main__ import main; assert main(['edit', '--help']) == 0; "
        "assert main(['recipe', 'apply', '--help']) == 0; assert 'torch' not in sys.modules"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True, capture_output=True, text=True).stdout
    assert "--no-beard" in out and "the other way round" in out and "-6.8 to 9" in out


def test_no_command_shows_the_table(capsys) -> None:
    assert main([]) == 2 and "recipe apply" in capsys.readouterr().err
    assert main(["--help"]) == 0 and "recipe apply" in capsys.readouterr().out
    assert main(["recipe", "bake"]) == 2 and "no command 'recipe bake'" in capsys.readouterr().err


def test_the_film_of_mp4_says_what_it_needs(call, pair, tmp_path) -> None:
    from facevae.photo.animation import film_formats

    code, _, err = call("morph", *pair, "--frames", 8, "-o", tmp_path / "film.mp4")
    if "mp4" in film_formats():
        assert code == 0 and (tmp_path / "film.mp4").read_bytes()[4:8] == b"ftyp"
    else:
        assert code == 2 and "PyAV" in err
