"""edit, guide, recipe apply: real files in, real files out."""

import json
from pathlib import Path

import numpy as np
import pytest
from cli_photos import PLACED, draw, pixels
from PIL import Image

from facevae.cli.files import plan, rename_duplicates


def recipe_in(path: Path) -> dict:
    with Image.open(path) as image:
        return json.loads(image.text["facevae"])


def test_edit_writes_beside_the_photo_as_the_page_names_it(call, photo) -> None:
    before = photo.read_bytes()
    code, out, _ = call("edit", photo, "--smiling", "2", "--Blond_Hair=-1.5", "--lock", "Male", "young", *PLACED)
    made = photo.with_name("photo-facevae.png")
    assert code == 0 and str(made) in out.decode()
    assert not np.array_equal(pixels(made), pixels(photo)) and photo.read_bytes() == before
    recipe = recipe_in(made)
    assert recipe["strengths"] == {"Smiling": 2.0, "Blond_Hair": -1.5} and recipe["locks"] == ["Male", "Young"]
    with Image.open(made) as image:
        assert "AI-edited" in image.text["Comment"]
    assert {path.name for path in photo.parent.iterdir()} == {"photo.png", "photo-facevae.png"}  # no temporary file is left


def test_what_is_done_is_skipped_until_something_about_it_changes(rows, photo, tmp_path) -> None:
    asked = ("edit", photo, "-o", tmp_path / "out.png", "--smiling", 2, "--no-refine", *PLACED)
    code, [row] = rows(*asked)
    assert (code, row["status"]) == (0, "done")
    written = (tmp_path / "out.png").stat().st_mtime_ns
    code, [row] = rows(*asked)
    assert (code, row["status"], (tmp_path / "out.png").stat().st_mtime_ns) == (0, "skipped", written)
    for more in (["--smiling", 2.5], ["--lock", "male"], ["--detail", 0.2], ["--shift-x", 0.1], ["--refine"], ["--face", 0]):
        assert rows(*asked, *more)[1][0]["status"] == "done", more
    draw(photo, seed=5)
    assert rows(*asked, "--face", 0)[1][0]["status"] == "done"


def test_a_bad_file_is_reported_and_the_rest_goes_on(rows, call, tmp_path) -> None:
    for name in ("a.png", "b/c.jpg"):
        draw(tmp_path / "photos" / name)
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"\xff\xd8\xff but no photo")
    (tmp_path / "photos" / "notes.txt").write_text("not asked for")
    asked = ("edit", tmp_path / "photos", tmp_path / "gone.jpg", "--smiling", 1, "--no-refine", *PLACED, "-o", tmp_path / "out")
    code, found = rows(*asked)
    status = {Path(row["input"]).name: row["status"] for row in found}
    assert code == 1 and status == {"a.png": "done", "c.jpg": "done", "bad.jpg": "failed", "gone.jpg": "failed", "notes.txt": "skipped"}
    assert {str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*.*")} == {"a-facevae.png", "b/c-facevae.jpg"}
    assert "bad.jpg" in next(row["message"] for row in found if row["input"].endswith("bad.jpg"))
    code, out, _ = call(*asked)
    assert code == 1 and out.decode().splitlines()[-1] == "5 in all: 0 done, 3 skipped, 2 failed"


def test_a_folder_says_of_every_file_that_it_leaves_out_why(rows, tmp_path) -> None:
    folder = tmp_path / "album"
    for name in ("a.png", "b.mpo.jpg", "sub/c.png", ".hidden.png", ".trash/d.png", "elsewhere/e.png"):
        draw(folder / name)
    (folder / "b.mpo.jpg").rename(folder / "b.mpo")
    (folder / "link").symlink_to(folder / "elsewhere", target_is_directory=True)
    for name, content in {
        "no-ending": (folder / "a.png").read_bytes(),
        "film.mp4": b"\0\0\0\x18ftypisom\0\0\0\0",
        "notes.json": b"{}",
        "empty.xmp": b"",
        "IMG.DNG": b"II*\0" + bytes(200),
        "IMG.HEIC": b"\0\0\0\x18ftypheic" + bytes(99),
        "IMG.psd": b"8BPS\0\1" + bytes(99),
        ".DS_Store": b"x",
        "._a.png": b"x",
        "x-facevae.png": (folder / "a.png").read_bytes(),
    }.items():
        (folder / name).write_bytes(content)
    (folder / "socket.png").mkdir()
    code, found = rows("edit", folder, "--smiling", 1, "--no-refine", *PLACED, "-o", tmp_path / "out")
    assert code == 1
    seen = {str(Path(row["input"]).relative_to(folder)): (row["status"], row["message"]) for row in found if row["status"] != "done"}
    expected = {
        ".hidden.png": ("skipped", "it is hidden: name it to have it done"),
        ".trash": ("skipped", "it is a hidden folder"),
        "link": ("skipped", "it is a link to a folder: name the folder itself"),
        "no-ending": ("skipped", "it is a picture that is not called one: name it to have it done"),
        "film.mp4": ("skipped", "it is a video"),
        "notes.json": ("skipped", "it is a text file"),
        "empty.xmp": ("skipped", "it is empty"),
        "x-facevae.png": ("skipped", "it is called as facevae calls its results: name it to have it done"),
    }
    assert {name: row for name, row in seen.items() if row[0] == "skipped"} == expected
    assert {name for name, row in seen.items() if row[0] == "failed"} == {"IMG.DNG", "IMG.HEIC", "IMG.psd"}
    done = {Path(row["input"]).name for row in found if row["status"] == "done"}
    assert done == {"a.png", "b.mpo", "c.png", "e.png"}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("https://example.org/a.jpg?w=1&h=[2]", "nothing is fetched"),
        ("HTTP://example.org/a.jpg", "nothing is fetched"),
        ("ftp://example.org/a.jpg", "nothing is fetched"),
        ("s3://bucket/a.jpg", "nothing is fetched"),
        ("data:image/png;base64," + "A" * 9000, "nothing is fetched"),
        ("blob:https://example.org/0-1", "nothing is fetched"),
        ("www.example.org/a.jpg", "nothing is fetched"),
        ("file:///tmp/my%20photo.jpg", "give its path, /tmp/my photo.jpg"),
        ("file:/tmp/a.jpg", "give its path, /tmp/a.jpg"),
    ],
)
def test_an_address_is_called_an_address(rows, call, photo, given, words, tmp_path) -> None:
    for asked in (["edit", given, "--smiling", 1, "-o", tmp_path / "out"], ["morph", given, photo], ["inspect", given]):
        code, [row] = rows(*asked)
        assert code == 1 and row["message"].count(" is an address") == 1 and words in row["message"]
    code, _, err = call("recipe", "apply", given, photo)
    assert code == 2 and " is an address" in err
    out = call("edit", given, "--smiling", 1)[1].decode()
    assert "failed" in out and len(out) < 500


def test_a_file_that_is_called_like_an_address_is_a_file(rows, tmp_path, monkeypatch) -> None:
    draw(tmp_path / "data:a.png")
    monkeypatch.chdir(tmp_path)
    assert rows("edit", "data:a.png", "--smiling", 1, "--no-refine", *PLACED)[0] == 0
    assert (tmp_path / "data-a-facevae.png").exists()


def test_heic_comes_back_as_jpeg_or_as_heic_where_the_name_says_so(rows, photo, tmp_path) -> None:
    asked = ("--smiling", 2, "--no-refine", *PLACED)
    for out, name in ((tmp_path / "a.heic", "a.heic"), (tmp_path / "b.HIF", "b.HIF")):
        assert rows("edit", photo, *asked, "-o", out)[0] == 0
        assert (tmp_path / name).read_bytes()[4:12] == b"ftypheic"
    assert rows("edit", photo, *asked, "-o", tmp_path / "a.heic")[1][0]["status"] == "skipped"
    (tmp_path / "album").mkdir()
    (tmp_path / "a.heic").rename(tmp_path / "album" / "IMG_1.HEIC")
    code, [row] = rows("edit", tmp_path / "album", *asked, "-o", tmp_path / "out")
    assert code == 0 and row["output"].endswith("IMG_1-facevae.jpg") and "it is HEIC and is saved as JPEG" in row["message"]
    assert Image.open(row["output"]).format == "JPEG"


def test_a_folder_without_photos_is_a_failure(rows, photo, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    draw(tmp_path / "results" / "a-facevae.png")
    for asked in (["edit", "--smiling", 1, *PLACED, "--no-refine"], ["inspect"]):
        code, found = rows(*asked[:1], tmp_path / "empty", photo, tmp_path / "results", *asked[1:])
        assert code == 1 and [row["status"] for row in found if row["input"] != str(photo)] == ["failed", "failed", "skipped"]
        assert "no photo in this folder" in found[0]["message"] and found[-1]["status"] == "done"


def test_what_cannot_be_written_is_named_as_it_was_asked_for(rows, photo, tmp_path) -> None:
    asked = ("edit", photo, "--smiling", 1, *PLACED, "--no-refine", "-o")
    for out in (photo / "out.png", Path("/proc/out.png")):
        code, [row] = rows(*asked, out)
        assert code == 1 and row["message"].startswith(f"{out} cannot be written: ") and ".tmp" not in row["message"]


def test_no_face_is_a_failure_and_not_an_edit_of_the_middle(rows, photo) -> None:
    code, [row] = rows("edit", photo, "--smiling", 1)
    assert code == 1 and "no face was found" in row["message"] and not photo.with_name("photo-facevae.png").exists()


def test_results_beside_the_photos_are_no_photos_of_the_next_run(rows, tmp_path) -> None:
    for name in ("a.png", "b.png"):
        draw(tmp_path / name)
    asked = ("--smiling", 1, "--no-refine", *PLACED)
    assert [row["status"] for row in rows("edit", tmp_path, *asked)[1]] == ["done", "done"]
    code, found = rows("edit", *sorted(tmp_path.glob("*.png")), *asked)
    assert code == 0 and [row["status"] for row in found] == ["skipped"] * 4
    assert len(list(tmp_path.glob("*.png"))) == 4


def test_nothing_is_written_over_a_photo_or_a_stranger_s_file_by_itself(call, rows, photo, tmp_path) -> None:
    before, asked = photo.read_bytes(), ("edit", photo, "--smiling", 2, "--no-refine", *PLACED)
    code, _, err = call(*asked, "-o", photo)
    assert code == 2 and "--overwrite" in err and photo.read_bytes() == before
    stranger = draw(tmp_path / "stranger.png", seed=9)
    kept = stranger.read_bytes()
    code, [row] = rows(*asked, "-o", stranger)
    assert code == 1 and "facevae did not make it" in row["message"] and stranger.read_bytes() == kept
    assert rows(*asked, "-o", stranger, "--overwrite")[0] == 0 and stranger.read_bytes() != kept
    assert call(*asked, "-o", photo, "--overwrite")[0] == 0 and photo.read_bytes() != before


def test_a_result_in_the_way_of_another_photo_fails(rows, tmp_path) -> None:
    first, second = draw(tmp_path / "a.png"), draw(tmp_path / "out" / "a-facevae.png", seed=1)
    before = second.read_bytes()
    code, found = rows("edit", first, second, "--smiling", 1, *PLACED, "--no-refine", "-o", tmp_path / "out")
    assert second.read_bytes() == before and code == 1 and [row["status"] for row in found] == ["skipped", "failed"]


def test_a_name_may_not_lie_about_what_is_in_the_file(rows, photo, tmp_path) -> None:
    code, [row] = rows("edit", photo, "--smiling", 2, *PLACED, "-o", tmp_path / "out.jpg")
    assert code == 1 and "out.jpg would hold a PNG" in row["message"] and not (tmp_path / "out.jpg").exists()
    jpeg = draw(tmp_path / "photo.jpg")
    assert rows("edit", jpeg, "--smiling", 2, *PLACED, "--no-refine", "-o", tmp_path / "as.png")[0] == 0
    assert Image.open(tmp_path / "as.png").format == "PNG"
    assert rows("edit", jpeg, "--smiling", 2, *PLACED, "--no-refine", "-o", tmp_path / "as.JPEG")[0] == 0
    assert Image.open(tmp_path / "as.JPEG").format == "JPEG"


def test_standard_input_and_output(call, photo, tmp_path) -> None:
    asked = ("--smiling", 2, "--no-refine", *PLACED)
    code, out, err = call("edit", "-", *asked, given=photo.read_bytes())
    assert code == 0 and "done" in err
    assert call("edit", photo, *asked)[0] == 0
    assert np.array_equal(pixels(out), pixels(photo.with_name("photo-facevae.png")))
    assert call("edit", photo, *asked, "-o", "-")[1] == out
    assert call("edit", "-", *asked, "-o", tmp_path / "in.png", given=photo.read_bytes())[0] == 0
    assert np.array_equal(pixels(tmp_path / "in.png"), pixels(out))
    assert call("edit", "-", *asked, "--json", given=photo.read_bytes())[0] == 2
    assert call("edit", "-", "-", *asked)[0] == 2
    assert call("edit", photo, tmp_path, *asked, "-o", "-")[0] == 2


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("-x.png", "x"),
        ("two words.png", "two words"),
        ("Zoë ↔ 猫 😀.png", "Zoë ↔ 猫 😀"),
        ("a;$(b) [draft].png", "a;$(b) [draft]"),
        ("--smiling.png", "smiling"),
    ],
)
def test_odd_names(call, tmp_path, monkeypatch, name, stem) -> None:
    draw(tmp_path / "in" / name)
    monkeypatch.chdir(tmp_path / "in")
    asked = ("edit", *PLACED, "--no-refine", "--smiling", 2, "-o", "../out/", "--")
    for given in (name, f"../in/../in/{name}"):
        code, _, err = call(*asked, given)
        assert code == 0, err
    (made,) = (tmp_path / "out").iterdir()
    assert made.name == f"{stem}-facevae.png"


def test_no_two_results_share_a_name(tmp_path) -> None:
    names = ["a.jpg", "a.png", "b:c.jpg", "b-c.jpg", "b-c-jpg-2.png", "d.jpg"]
    for name in names:
        draw(tmp_path / name)
    stems = [job.stem for job in plan([str(tmp_path / name) for name in names], str(tmp_path / "out"))]
    assert len({stem.lower() for stem in stems}) == len(names)
    assert stems[0] == "a-jpg-facevae" and stems[1] == "a-png-facevae" and stems[-1] == "d-facevae"
    assert rename_duplicates([]) == []


def test_guide_says_how_far_it_has_come(rows, photo, tmp_path) -> None:
    asked = (
        "guide",
        photo,
        "--want",
        "young",
        "--avoid",
        "Eyeglasses",
        *PLACED,
        "--no-refine",
        "-o",
        tmp_path / "out.png",
    )
    code, [row] = rows(*asked)
    assert code == 0 and row["report"]["asked"] == {"Young": True, "Eyeglasses": False}
    assert 0 <= row["probability"] <= 1 and row["reason"] in ("target", "plateau", "steps")
    assert recipe_in(tmp_path / "out.png")["guidance"]
    assert rows(*asked)[1][0]["status"] == "skipped"
    assert rows("guide", photo, "--want", "smiling", *PLACED, "--no-refine", "-o", tmp_path / "out.png")[1][0]["status"] == "done"


def test_a_recipe_is_applied_to_other_photos(call, rows, photo, editor, tmp_path) -> None:
    face = editor.open_photo(draw(tmp_path / "own.png", seed=3))
    *_, last = editor.guide(face, {"Smiling": True})
    (tmp_path / "recipe.json").write_text(json.dumps(editor.recipe(last.face, {"Young": 2.0}, 0.3, ["Male"]).as_json()))
    code, [row] = rows("recipe", "apply", tmp_path / "recipe.json", photo, *PLACED, "-o", tmp_path / "out")
    assert code == 0
    made = recipe_in(Path(row["output"]))
    assert made["strengths"] == {"Young": 2.0} and made["locks"] == ["Male"] and made["detail"] == 0.3
    assert made["guidance"] == editor.recipe(last.face).as_json()["guidance"]
    assert made["refined"] == 0  # as the recipe's own face was
    assert rows("recipe", "apply", row["output"], photo, *PLACED, "-o", tmp_path / "again.png")[0] == 0  # from the picture
    assert np.array_equal(pixels(tmp_path / "again.png"), pixels(Path(row["output"])))
    code, _, err = call("recipe", "apply", tmp_path / "recipe.json")
    assert code == 2 and "belongs to a photo" in err


def test_a_recipe_of_a_drawn_face_needs_no_photo_and_makes_no_path(call, editor, tmp_path) -> None:
    (face,) = editor.generate([7])
    recipe = editor.recipe(face, {"Smiling": 2.0}).as_json()
    recipe["checkpoint"]["name"] = "../../../tmp/evil"
    (tmp_path / "drawn.json").write_text(json.dumps(recipe))
    assert call("recipe", "apply", tmp_path / "drawn.json")[0] == 0
    assert np.array_equal(pixels(tmp_path / "drawn-facevae.png"), editor.edit(face, {"Smiling": 2.0}).photo)
    code, out, _ = call("recipe", "apply", "-", "-o", "-", given=json.dumps(recipe).encode())
    assert code == 0 and np.array_equal(pixels(out), pixels(tmp_path / "drawn-facevae.png"))
    assert {path.name for path in tmp_path.iterdir()} == {"drawn.json", "drawn-facevae.png"}


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["edit", "x.jpg"], "nothing is asked for"),
        (["edit", "x.jpg", "--smiling", "9.5"], "from -4.5 to 6"),
        (["edit", "x.jpg", "--smiling", "nan"], "from -4.5 to 6"),
        (["edit", "x.jpg", "--halo", "1"], "unrecognized"),
        (["edit", "x.jpg", "--smiling", "1", "--lock", "smilin"], "did you mean smiling"),
        (["edit", "x.jpg", "--smiling", "1", "--face", "all", "--zoom", "1.5"], "one face at a time"),
        (["edit", "x.jpg", "--smiling", "1", "--face", "-1"], "from 0 on"),
        (["edit", "x.jpg", "--smiling", "1", "--at", "5"], "is no place in a photo"),
        (["edit", "x.jpg", "--smiling", "1", "--at", "5,6", "--face", "0"], "both say which face"),
        (["edit", "x.jpg", "--smiling", "1", "--angle-deg", "181"], "from -180 to 180"),
        (["edit", "x" * 300 + ".jpg", "--smiling", "1"], "File name too long"),
        (["edit", "", "--smiling", "1"], "the name of a photo is empty"),
        (["edit", "x.jpg", "--smiling", "1", "-o", ""], "the name after -o is empty"),
        (["guide", "x.jpg"], "nothing is asked for"),
        (["inspect", ""], "the name of a photo is empty"),
        (["morph", "a.jpg", "b.jpg", "-o", ""], "the name after -o is empty"),
        (["generate", "-o", ""], "the name after -o is empty"),
        (["guide", "x.jpg", "--want", "smile", "--avoid", "smiling"], "asked for and against"),
        (["guide", "x.jpg", "--make", "taller"], "there are"),
        (["edit", "x.jpg", "y.jpg", "--smiling", "1", "-o", "out.jpg"], "several results"),
        (["recipe", "apply", "x.json"], "no file with a recipe"),
        (["generate", "--seeds", "9-3"], "no row of seeds"),
        (["morph", "a.jpg"], "2 to 6 faces"),
        (["morph", "a.jpg", "b.jpg", "--position", "0.5", "--format", "gif"], "exclude"),
    ],
)
def test_wrong_usage_ends_in_one_sentence_and_2(call, args, sentence) -> None:
    code, out, err = call(*args)
    assert code == 2 and sentence in err and not out and "Traceback" not in err
