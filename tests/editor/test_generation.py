"""Rejection keeps what fits and nothing else, in the order of seeds; neighbours are near, and stay among the faces."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.editor import Editor, Face
from facevae.editor.contact_sheet import save_sheet
from facevae.editor.generation import nearby
from facevae.editor.recipe import link_of, recipe_from, recipe_of_link
from facevae.editor.types import Drawn
from facevae.latent.conditional_flow import ConditionalFlow
from facevae.nets.velocity import VelocityConfig

SEEDS = range(100, 160)


@pytest.fixture(scope="module")
def editor(tiny_checkpoint: Checkpoint) -> Editor:
    return Editor(tiny_checkpoint)


@pytest.fixture(scope="module")
def wanted(editor: Editor) -> dict[str, bool]:
    """Two labels on which the faces of the tiny model differ: one to have and one not to have."""
    seen = np.array([list(editor.probabilities(face).values()) for face in editor.generate(SEEDS)])
    share = dict(zip(editor.attributes, (seen > 0.5).mean(0), strict=True))
    one, other = sorted(share, key=lambda name: abs(share[name] - 0.5))[:2]
    assert 0 < share[one] < 1 and 0 < share[other] < 1
    return {one: True, other: False}


def test_a_search_keeps_what_fits_in_the_order_of_seeds(editor: Editor, wanted: dict[str, bool]) -> None:
    fitting = [
        face.seed
        for face in editor.generate(SEEDS)
        if all((editor.probabilities(face)[name] > 0.5) == want for name, want in wanted.items())
    ]
    assert 3 < len(fitting) < len(SEEDS)
    steps = list(editor.search(wanted, 100, 3))
    assert [face.seed for face in steps[-1].faces] == fitting[:3]
    assert len(steps) == steps[-1].tried == fitting[2] - 99 and steps[-1].next_seed == fitting[2] + 1
    assert [step.tried for step in steps] == list(range(1, len(steps) + 1))
    # A search that was stopped and taken up again finds what one that was not stopped finds.
    (*_, rest) = editor.search(wanted, steps[-1].next_seed, 2)
    assert [face.seed for face in rest.faces] == fitting[3:5]


def test_what_was_found_is_what_its_seed_draws_alone(editor: Editor, wanted: dict[str, bool]) -> None:
    (*_, found) = editor.search(wanted, 100, 2, temperature=1.1, prior="normal")
    for face in found.faces:
        assert face.drawn == Drawn(face.seed, 1.1, "normal")
        (again,) = editor.generate([face.drawn.seed], face.drawn.temperature, face.drawn.prior)
        assert np.array_equal(again.latent, face.latent) and np.array_equal(again.crop, face.crop)


def test_a_search_ends(editor: Editor, wanted: dict[str, bool]) -> None:
    steps = list(editor.search(wanted, 100, 64, tries=7))
    assert len(steps) == 7 and len(steps[-1].faces) < 7
    assert [step.tried for step in editor.search({}, 2**32 - 2, 12)] == [1, 2]  # there are no seeds beyond
    with pytest.raises(ValueError, match="does not know Horns"):
        next(editor.search({"Horns": True}, 1, 1))


@pytest.fixture(scope="module")
def flowing(tiny_checkpoint: Checkpoint) -> Editor:
    """An editor whose prior is a flow that looks at labels."""
    flow = ConditionalFlow(VelocityConfig(latent=6, labels=8, width=8, hidden=8, blocks=2)).requires_grad_(False).eval()
    generator = torch.Generator().manual_seed(3)
    for parameter in flow.parameters():
        parameter.copy_(parameter + 0.5 * torch.randn(parameter.shape, generator=generator))
    return Editor(replace(tiny_checkpoint, prior=flow))


def test_a_flow_is_told_what_is_wanted_and_the_guide_confirms(flowing: Editor) -> None:
    wanted = {"Male": True, "Eyeglasses": False}
    faces = flowing.generate(range(20), 0.9, wanted=wanted)
    fitting = [f for f in faces if all((flowing.probabilities(f)[name] > 0.5) == want for name, want in wanted.items())]
    (*_, found) = flowing.search(wanted, 0, 64, 0.9, tries=20)
    assert [f.seed for f in found.faces] == [f.seed for f in fitting] and found.tried == 20
    assert all(np.array_equal(a.crop, b.crop) for a, b in zip(found.faces, fitting, strict=True))
    (plain,), told = flowing.generate([4], 0.9), faces[4]
    assert plain.drawn == Drawn(4, 0.9, "fitted") and told.drawn == Drawn(4, 0.9, "fitted", (("Eyeglasses", False), ("Male", True)))
    assert not np.array_equal(plain.latent, told.latent)


def test_a_face_under_labels_is_drawn_again_from_recipe_and_link(flowing: Editor) -> None:
    (face,) = flowing.generate([4], 0.9, wanted={"Male": True, "Eyeglasses": False})
    recipe = flowing.recipe(face)
    assert recipe.latent is None
    link = recipe_of_link(link_of(recipe), recipe.checkpoint, "tiny", flowing.attributes)
    for given in (recipe_from(json.dumps(recipe.as_json())), link):
        assert given.drawn == face.drawn and np.array_equal(flowing.reopen(given).face.crop, face.crop)
    assert "labels" not in flowing.recipe(flowing.generate([4])[0]).as_json()["drawn"]


def test_a_prior_that_cannot_be_told_labels_says_so(editor: Editor, flowing: Editor) -> None:
    for one, prior, name in ((editor, "fitted", "Male"), (flowing, "normal", "Male"), (flowing, "fitted", "Horns")):
        with pytest.raises(ValueError, match="cannot be told labels"):
            one.generate([1], 0.8, prior, {name: True})


@pytest.mark.parametrize("labels", [[["Male", True]], {"Male": 1}, {"": True}, {"M" * 41: True}, {str(i): True for i in range(201)}])
def test_labels_that_are_none_are_refused(labels: object) -> None:
    with pytest.raises(ValueError, match="labels are at most 200 names, each true or false"):
        Drawn.read({"seed": 1, "labels": labels})


@pytest.fixture(scope="module")
def drawn(editor: Editor) -> Face:
    return editor.generate([5])[0]


def distance(editor: Editor, a: Face, b: Face) -> float:
    """In σ of the encodings."""
    apart = torch.from_numpy(a.latent - b.latent)[:, None]
    return float(torch.linalg.solve_triangular(editor.checkpoint.cholesky, apart, upper=False).norm())


def assert_near(picture: np.ndarray, other: np.ndarray) -> None:
    """The same picture from a latent with six digits."""
    assert np.abs(picture.astype(int) - other).max() <= 1


def test_neighbours_are_nearer_with_a_smaller_radius_and_the_same_each_time(editor: Editor, drawn: Face) -> None:
    near, far, other = (
        editor.neighbours(drawn, range(8), 0.2),
        editor.neighbours(drawn, range(8), 0.7),
        editor.neighbours(drawn, [3], 0.7, 1),
    )
    for a, b in zip(near, far, strict=True):
        assert 0 < distance(editor, a, drawn) < distance(editor, b, drawn)
    assert np.array_equal(editor.neighbours(drawn, [3], 0.7)[0].crop, far[3].crop)  # alone as among others
    assert len({face.latent.tobytes() for face in (*near, *far, *other)}) == 17
    assert np.array_equal(editor.neighbours(drawn, [0], 0.0)[0].crop, drawn.crop)


def test_a_neighbour_has_no_seed_but_a_name_and_a_file(editor: Editor, drawn: Face) -> None:
    (near,) = editor.neighbours(drawn, [2])
    (nearer,) = editor.neighbours(near, [0])
    assert (near.name, nearer.name) == ("face-5-near-3", "face-5-near-3-1")
    assert near.seed is None and near.drawn is None and near.photo is None and near.start is not None
    content, suffix = editor.save(near)
    with Image.open(io.BytesIO(content)) as file:
        assert suffix == ".png" and "AI-generated" in file.text["Comment"]
        assert np.array_equal(np.asarray(file), near.crop)
        assert_near(editor.reopen(recipe_from(file.text["facevae"])).face.crop, near.crop)


def test_a_neighbour_of_an_edited_face_is_near_the_edit(editor: Editor, drawn: Face) -> None:
    edited = editor.bake(drawn, {"Smiling": 3.0})
    (near,) = editor.neighbours(edited, [0], 0.0)
    assert np.array_equal(near.crop, editor.edit(edited).decoded)


def test_a_long_walk_stays_among_the_faces() -> None:
    """However far it leads, the latent stays about as far from the mean of the encodings as the face it began with."""
    d, steps, r, mean = 400, 50, 0.5, torch.linspace(-1, 1, 400)
    factor = torch.eye(d) + 0.01 * torch.ones(d, d).tril(-1)
    z = start = mean + 0.6 * factor @ torch.randn(d, generator=torch.Generator().manual_seed(1))

    def temperature(latent: torch.Tensor) -> float:
        return float(torch.linalg.solve_triangular(factor, (latent - mean)[:, None], upper=False).square().mean().sqrt())

    for step in range(steps):
        z = nearby(z, mean, factor, r, step, 3)
    # A step multiplies the squared temperature by 1 - r² + r² |n|²/d + 2 r √(1 - r²) u·n/(t d): mean 1, and this variance.
    variance = (2 * r**4 + 4 * r**2 * (1 - r**2)) / d
    assert np.log(temperature(z) / temperature(start)) == pytest.approx(0, abs=5 * (steps * variance / 4) ** 0.5)
    assert abs(float((z - mean) @ (start - mean)) / float((start - mean).square().sum())) < 0.5  # and leads away


@pytest.mark.parametrize(
    "wrong, words",
    [
        (lambda e, f: e.neighbours(f, []), "0 neighbours were asked for"),
        (lambda e, f: e.neighbours(f, [0], 1.5), "radius must lie between 0 and 1, not 1.5"),
        (lambda e, f: e.neighbours(f, [-1]), "neighbours are numbered from 0"),
        (lambda e, f: next(e.search({}, 1, 0)), "0 faces were asked for"),
        (lambda e, f: next(e.search({}, -1, 1)), "seed is a whole number"),
        (lambda e, f: save_sheet(e, [], 4), "no faces for a sheet"),
    ],
)
def test_what_cannot_be_asked_for(editor: Editor, drawn: Face, wrong, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        wrong(editor, drawn)


def test_a_contact_sheet_shows_every_face_and_draws_each_again(editor: Editor, drawn: Face) -> None:
    faces = [*editor.generate([7, 8], 0.5, "normal"), *editor.neighbours(drawn, [1, 2])]
    with Image.open(io.BytesIO(save_sheet(editor, faces, 3, {"Smiling": True}))) as file:
        pixels, recipe = np.asarray(file), json.loads(file.text["facevae"])
        assert file.text["Comment"] == "AI-generated with facevae" and "trainedAlgorithmicMedia" in file.text["XML:com.adobe.xmp"]
    assert np.array_equal(pixels[8:24, 8:24], faces[0].crop)
    assert np.array_equal(pixels[50:66, 8:24], faces[3].crop)  # the second row: 8 + 16 + 18 + 8
    assert recipe["wanted"] == {"Smiling": True} and recipe["columns"] == 3
    for face, told in zip(faces, recipe["faces"], strict=True):
        assert recipe_from(told).drawn == face.drawn
        assert_near(editor.reopen(recipe_from(told)).face.crop, face.crop)
