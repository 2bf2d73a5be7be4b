"""The HTTP API, as a program sees it. Endpoint names are pinned: scripts of others depend on them."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from gradio.route_utils import delete_files_created_by_app
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from page_actions import GROUP_BOXES_PX
from PIL import Image

from facevae.attributes import WITHHELD

ENDPOINTS = {"/controls", "/open_photo", "/edit", "/guide", "/looks", "/look", "/morph", "/export_morph", "/generate", "/apply_recipe"}


@pytest.fixture(scope="module")
def client(url, tmp_path_factory):
    return Client(url, verbose=False, download_files=tmp_path_factory.mktemp("answers"), httpx_kwargs={"timeout": 120})


def pixels(path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def test_endpoint_names_are_pinned(client):
    api = client.view_api(return_format="dict", print_info=False)
    assert set(api["named_endpoints"]) == ENDPOINTS
    assert not api["unnamed_endpoints"]


def test_controls_name_every_slider_and_goal(client):
    answer = client.predict(api_name="/controls")
    assert len(answer["controls"]) >= 12
    for control in answer["controls"]:
        assert control["low"] <= control["safe_low"] < 0 < control["safe_high"] <= control["high"]
        assert control["estimator"] and control["curved"] in (True, False) and 0.5 <= control["auroc"] <= 1
    assert {control["name"] for control in answer["controls"]} <= set(answer["lockable"])
    assert "smiling" in {goal["name"] for goal in answer["goals"]}


def test_edit_changes_the_face_and_nothing_far_from_it(client, astronaut):
    photo = pixels(astronaut)
    same = pixels(client.predict(handle_file(astronaut), {}, {}, format="png", api_name="/edit"))
    assert np.array_equal(same, photo)
    path = client.predict(handle_file(astronaut), {"Black_Hair": 2.5}, {}, format="png", api_name="/edit")
    edited = pixels(path)
    assert edited.shape == photo.shape
    assert np.abs(edited.astype(int) - photo).max() > 20
    assert np.array_equal(edited[-40:], photo[-40:])
    assert "AI-edited" in Image.open(path).text["Comment"]


def test_a_lock_is_part_of_an_edit(client, group):
    asked = [{}, {"locks": ["Male"]}, {"locks": ["Wearing_Lipstick"]}]
    more = {"refine": False, "format": "png"}
    free, held, own = (
        client.predict(handle_file(group), {"Wearing_Lipstick": 4.0}, {}, **more, **locks, api_name="/edit") for locks in asked
    )
    assert not np.array_equal(pixels(free), pixels(held))
    assert np.array_equal(pixels(free), pixels(own))  # what is locked keeps the strength that it was set to
    assert json.loads(Image.open(held).text["facevae"])["locks"] == ["Male"]


def test_a_look_is_put_on_as_far_as_its_amount_says(client, astronaut):
    looks = {look["name"]: look for look in client.predict(api_name="/looks")}
    assert looks["red_hair"]["hair"] and not looks["makeup"]["hair"] and looks["smiling"]["wanted"] == {"Smiling": True}
    more, photo = {"refine": False, "format": "png"}, pixels(astronaut).astype(int)
    none, half, full = (
        pixels(client.predict(handle_file(astronaut), "red_hair", amount, **more, api_name="/look")) for amount in (0, 0.5, 1)
    )
    assert np.array_equal(none, photo)
    assert 0 < np.abs(half - photo).mean() < np.abs(full - photo).mean()
    guided = client.predict(handle_file(astronaut), looks["red_hair"]["wanted"], **more, api_name="/guide")[0]
    assert np.array_equal(full, pixels(guided))
    for look, amount, sentence in (
        ("halo", 1, "there is no look 'halo'"),
        (5, 1, "look is a name"),
        ("makeup", 2, "amount is a number from 0 to 1"),
    ):
        with pytest.raises(AppError, match=re.escape(sentence)):
            client.predict(handle_file(astronaut), look, amount, api_name="/look")


def test_edit_of_another_face_in_the_photos_own_format(client, astronaut, group):
    before = pixels(group).astype(int)
    path = client.predict(handle_file(group), {"Black_Hair": 3.0}, {}, face=2, refine=False, api_name="/edit")
    changed = np.abs(pixels(path) - before).max(axis=(0, 2)) > 8  # by column
    (x, _, side), (x_left, _, side_left) = GROUP_BOXES_PX[2], GROUP_BOXES_PX[1]
    assert changed[x : x + side].any()
    assert not changed[: x_left + side_left].any()
    with Image.open(client.predict(handle_file(astronaut), {"Smiling": -1.0}, refine=False, api_name="/edit")) as edited:
        assert edited.format == "JPEG"


def test_refinement_and_detail_are_part_of_an_edit(client, group):
    asked = [{}, {"detail": 0.0}, {"refine": False}]
    answers = [pixels(client.predict(handle_file(group), {"Eyeglasses": 2.5}, {}, **more, api_name="/edit")) for more in asked]
    assert not np.array_equal(answers[0], answers[1])
    assert not np.array_equal(answers[0], answers[2])


@pytest.mark.parametrize(
    ("endpoint", "wrong", "sentence"),
    [
        ("/edit", {"face": 3}, "the photo has 3"),
        ("/edit", {"face": "first"}, "face is a whole number"),
        ("/edit", {"refine": "yes"}, "true or false"),
        ("/edit", {"detail": 2}, "detail is a number from 0 to 1"),
        ("/edit", {"format": "jpeg"}, "original, png or heic"),
        ("/edit", {"locks": ["Halo"]}, "Halo cannot be locked"),
        ("/guide", {"locks": "Male"}, "JSON"),
        ("/guide", {"locks": {"Male": True}}, "JSON list of names"),
    ],
)
def test_optional_arguments_are_checked_too(client, group, endpoint, wrong, sentence):
    with pytest.raises(AppError, match=sentence):
        client.predict(
            handle_file(group), {"Smiling": True} if endpoint == "/guide" else {}, **{"refine": False} | wrong, api_name=endpoint
        )


LONG = 10**400
"""Python's JSON reads it as a whole number, and no float holds it."""
DEEP = "[" * 100_000
"""A text in the message, so that the gate has not looked into it."""


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"strengths": {"Halo": 1}}, "no attribute 'Halo'"),
        ({"strengths": {"Smiling": "much"}}, 'numbers, such as {"Smiling": 2}'),
        ({"strengths": [1, 2]}, "JSON object"),
        ({"strengths": {"Smiling": LONG}}, "object of numbers"),
        ({"strengths": {"Smiling": 1e30}}, "object of numbers"),  # its recipe could not be read again
        ({"strengths": DEEP}, "is no JSON"),
        ({"strengths": '{"Smiling": ' + "1" * 5000 + "}"}, "is no JSON"),
        ({"adjustment": {"zoom": "large"}}, "zoom is a number"),
        ({"adjustment": {"zoom": LONG}}, "zoom is a number"),
        ({"adjustment": {"side": 2}}, "an adjustment has shift_x, shift_y, zoom, angle_deg"),
        ({"adjustment": [1, 2]}, "an adjustment has"),
        ({"adjustment": {"at": [1]}}, "at is a place in the photo, such as [1200, 800]"),
        ({"adjustment": {"at": [-1, 5]}}, "(-1, 5) lies outside of the photo"),
        ({"adjustment": {"shift_x": 900}}, "the crop does not lie in the picture"),
        ({"face": LONG}, "face is a whole number from 0 to 999"),
        ({"face": 0.5}, "face is a whole number"),
        ({"detail": LONG}, "detail is a number"),
    ],
)
def test_edit_refuses_in_one_sentence_without_markup(client, astronaut, asked, sentence):
    with pytest.raises(AppError, match=re.escape(sentence)):
        client.predict(handle_file(astronaut), **{"strengths": {}, "refine": False} | asked, api_name="/edit")


@pytest.mark.parametrize(
    ("endpoint", "asked", "sentence"),
    [
        ("/export_morph", {"format": ["gif"]}, "not ['gif']"),
        ("/export_morph", {"frames": 8.5}, "frames is a whole number from 2 to 240"),
        ("/export_morph", {"duration_ms": LONG}, "duration_ms is a whole number"),
        ("/morph", {"position": LONG}, "position is a number from 0 to 1"),
        ("/generate", {"seed": 1.5}, "seed is a whole number from 0 to 4294967231"),
        ("/generate", {"temperature": LONG}, "temperature is a number"),
        ("/apply_recipe", {"recipe": DEEP}, "is no JSON"),
    ],
)
def test_the_others_refuse_in_one_sentence_too(client, astronaut, endpoint, asked, sentence):
    photos = {"photo_a": handle_file(astronaut), "photo_b": handle_file(astronaut)} if "morph" in endpoint else {}
    with pytest.raises(AppError, match=re.escape(sentence)):
        client.predict(**photos | asked, api_name=endpoint)


def test_a_text_file_is_refused_by_name(client, text_file):
    with pytest.raises(AppError, match=r"notes\.txt"):
        client.predict(handle_file(text_file), {}, api_name="/open_photo")


def test_open_photo_gives_the_crop_and_what_the_classifier_sees(client, astronaut):
    path, answer = client.predict(handle_file(astronaut), {}, api_name="/open_photo")
    crop = pixels(path)
    assert crop.shape[0] == crop.shape[1]
    assert answer["message"] == ""
    assert answer["probabilities"]["Smiling"] > 0.5
    assert answer["scores"].keys() >= {"Smiling", "Male"} and answer["scores"]["Smiling"] > 0
    assert (answer["faces"], answer["found"]) == (1, True)
    assert answer["confidence"] == pytest.approx(0.998)
    moved, _ = client.predict(handle_file(astronaut), {"shift_x": 0.3}, api_name="/open_photo")
    assert not np.array_equal(pixels(moved), crop)


def test_open_photo_counts_the_faces_and_says_how_near_its_picture_is(client, group, tmp_path):
    crops, answers = zip(*(client.predict(handle_file(group), {}, index, api_name="/open_photo") for index in (0, 1)), strict=True)
    assert [answer["faces"] for answer in answers] == [3, 3]
    assert not np.array_equal(pixels(crops[0]), pixels(crops[1]))
    Image.new("RGB", (200, 150), "teal").save(tmp_path / "teal.png")
    _, nobody = client.predict(handle_file(tmp_path / "teal.png"), api_name="/open_photo")
    assert (nobody["faces"], nobody["found"], nobody["confidence"]) == (0, False, 0)
    assert "No face was found" in nobody["message"]
    assert 10 < nobody["psnr"] < answers[0]["psnr"] < 60  # a drawn face is what the model draws best


def test_guide_reaches_what_was_wanted(client, astronaut):
    path, answer = client.predict(handle_file(astronaut), {"Eyeglasses": True}, {}, refine=False, api_name="/guide")
    assert answer["probability"] > 0.5
    assert answer["probabilities"] == {"Eyeglasses": pytest.approx(answer["probability"], abs=1e-6)}
    assert answer["reason"] in ("target", "plateau", "steps")
    report = answer["report"]
    assert report["asked"] == {"Eyeglasses": True} and report["guide"]["Eyeglasses"] > 0.5
    assert report["judge"] is None or 0 <= report["judge"]["Eyeglasses"] <= 1
    assert "Eyeglasses" not in report["moved"] and report["leakage"] >= 0 and not WITHHELD.keys() & report["moved"].keys()
    assert pixels(path).shape == pixels(astronaut).shape


def test_what_is_withheld_is_neither_told_nor_done(client, astronaut):
    _, answer = client.predict(handle_file(astronaut), api_name="/open_photo")
    assert len(answer["probabilities"]) > 15 and not WITHHELD.keys() & answer["probabilities"].keys()
    reason = "Attractive cannot be asked for: a judgement of the annotators"
    with pytest.raises(AppError, match=reason):
        client.predict(handle_file(astronaut), {"Attractive": True}, {}, api_name="/guide")
    with pytest.raises(AppError, match=reason):
        client.predict(5, 1, 0.8, "fitted", {"Attractive": True}, api_name="/generate")


def test_generate_is_a_function_of_its_seed(client):
    one = client.predict(5, 1, 0.8, "fitted", api_name="/generate")
    three = client.predict(4, 3, 0.8, "fitted", api_name="/generate")
    as_on_page = client.predict(10, 2, 0.8, "fitted", {}, api_name="/generate")
    assert [Path(file).name for file in as_on_page] == ["face-10-facevae.png", "face-12-facevae.png"]  # 11 is a poor draw
    assert len(one), len(three) == (1, 3)
    assert np.abs(pixels(one[0]).astype(int) - pixels(three[1])).max() <= 1
    assert np.abs(pixels(three[0]).astype(int) - pixels(three[2])).max() > 20


def test_morph_and_its_film(client, astronaut, tmp_path):
    other = tmp_path / "other.png"
    Image.open(client.predict(11, 1, 0.8, "fitted", api_name="/generate")[0]).resize((256, 256)).save(other)
    ends = [pixels(client.predict(handle_file(astronaut), handle_file(other), t, "slerp", api_name="/morph")) for t in (0, 0.5, 1)]
    assert not np.array_equal(ends[0], ends[1])
    assert not np.array_equal(ends[1], ends[2])
    film = Image.open(client.predict(handle_file(astronaut), handle_file(other), 6, "lerp", "gif", api_name="/export_morph"))
    assert film.format == "GIF"
    assert film.n_frames == 10  # six forth, four back


def test_uploads_and_results_are_deleted_on_schedule(blocks, url, text_file, astronaut):
    visitor = Client(url, verbose=False, download_files=False, httpx_kwargs={"timeout": 120})
    made = visitor.predict(handle_file(astronaut), {"Smiling": 1}, {}, api_name="/edit")["path"]
    with pytest.raises(AppError):
        visitor.predict(handle_file(text_file), {}, api_name="/open_photo")
    uploads = [Path(name) for name in blocks.upload_file_set]
    assert Path(made).exists()
    assert any(path.name == "notes.txt" and path.exists() for path in uploads)
    frequency, age = blocks.delete_cache
    assert frequency + age <= 2 * 3600
    delete_files_created_by_app(blocks, None)
    assert not Path(made).exists()
    assert not any(path.exists() for path in uploads)
