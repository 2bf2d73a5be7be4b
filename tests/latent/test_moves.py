"""Moves by the latent flow start at nothing, follow the labels, and are the same every time."""

import numpy as np
import torch
from bent_flow import bent

from facevae.latent.moves import END, GUIDANCE, KNOTS, MOST_ORIGINS, FlowMoves, forget, ladder

ATTRIBUTES = ("Smiling", "Eyeglasses", "Young", "Bags_Under_Eyes")
Z = torch.linspace(-1, 1, 6)


def moves(seen: tuple[float, ...] = (0.9, 0.1, 0.8, 0.2)) -> FlowMoves:
    return FlowMoves(bent(), ATTRIBUTES, lambda z: torch.tensor([seen]))


def test_a_move_grows_with_guidance_and_leads_nowhere_to_what_is_there() -> None:
    path = moves().path(Z, {"Eyeglasses": True})
    assert path.shape == (len(GUIDANCE), 6) and (path.norm(dim=1).diff() > 0).all() and torch.isfinite(path).all()
    weak, double = moves().path(Z, {"Eyeglasses": True}, (1e-3, 2e-3))
    torch.testing.assert_close(double, 2 * weak, rtol=0.02, atol=1e-6)
    assert moves((1.0, 0.0, 1.0, 0.0)).path(Z, {"Smiling": True, "Eyeglasses": False}).abs().max() < 1e-5
    assert torch.equal(path, moves().path(Z, {"Eyeglasses": True}))


def test_labels_of_the_same_part_are_left_open() -> None:
    """Bags under the eyes may come with age: told that there are none, the flow would draw another face."""
    asked = []
    flow = bent()
    flow.flow = lambda x, begin, end, labels, *rest, **more: (asked.append(labels), x)[1]
    FlowMoves(flow, ATTRIBUTES, lambda z: torch.tensor([(0.9, 0.1, 0.8, 0.2)])).path(Z, {"Young": False})
    torch.testing.assert_close(asked[0][0], torch.tensor([0.8, -0.8, 0.6, -0.6]))
    torch.testing.assert_close(asked[1][0], torch.tensor([0.8, -0.8, -1.0, -0.12]))


def test_a_slider_is_a_smooth_curve_from_nothing_through_the_path() -> None:
    looked = []
    flow = FlowMoves(bent(), ATTRIBUTES, lambda z: (looked.append(z), torch.tensor([(0.9, 0.1, 0.8, 0.2)]))[1])

    def slide(guidance: float) -> torch.Tensor:
        return flow.slide(Z, {"Eyeglasses": guidance})

    there = torch.stack([slide(knot) for knot in KNOTS])
    torch.testing.assert_close(there[1:], flow.path(Z, {"Eyeglasses": True}, KNOTS[1:]), rtol=1e-4, atol=1e-5)
    assert not there[0].any() and torch.equal(slide(99.0), there[-1])
    torch.testing.assert_close(slide(-END), flow.path(Z, {"Eyeglasses": False}, (END,))[0], rtol=1e-4, atol=1e-5)
    fine = torch.stack([slide(guidance) for guidance in np.linspace(0, KNOTS[-1], 91).tolist()])
    assert fine.diff(dim=0).norm(dim=1).max() < 3 * fine.diff(dim=0).norm(dim=1).mean()
    assert len(looked) == 1
    for k in range(MOST_ORIGINS + 3):
        flow.slide(Z + k, {"Eyeglasses": 1.0})
    assert len(flow._origins) == MOST_ORIGINS


def test_sliders_that_are_set_together_go_along_the_path_of_all_their_labels() -> None:
    flow = moves()
    both, one = (flow.path(Z, wanted, KNOTS[1:]) for wanted in ({"Eyeglasses": True, "Young": False}, {"Eyeglasses": True}))
    torch.testing.assert_close(flow.slide(Z, {"Young": -2.0, "Eyeglasses": 2.0}), both[1], rtol=1e-4, atol=1e-5)
    apart = flow.slide(Z, {"Eyeglasses": 3.0, "Young": -1.0})
    torch.testing.assert_close(apart, both[0] + one[2] - one[0], rtol=1e-4, atol=1e-5)
    assert torch.equal(flow.slide(Z, {"Eyeglasses": 3.0, "Young": 0.0}), flow.slide(Z, {"Eyeglasses": 3.0}))
    assert not flow.slide(Z, {"Eyeglasses": 0.0, "Young": 0.0}).any() and not flow.slide(Z, {}).any()
    assert len(flow.origin(Z).points) == 2


def test_no_slider_makes_the_others_jump() -> None:
    """Where one comes to nothing, where two are as far, and where one changes its side."""
    flow, fixed = moves(), {"Eyeglasses": 1.5, "Smiling": -0.7}
    values = torch.linspace(-3, 3, 241).tolist()
    steps = torch.stack([flow.slide(Z, fixed | {"Young": value}) for value in values]).diff(dim=0).norm(dim=1)
    assert steps.max() < 8 * steps.mean()
    torch.testing.assert_close(flow.slide(Z, fixed | {"Young": 1e-6}), flow.slide(Z, fixed), rtol=0, atol=1e-4)


def test_what_is_remembered_of_faces_is_forgotten() -> None:
    flow = moves()
    before = flow.path(Z, {"Eyeglasses": True})
    forget()
    assert not flow._origins and torch.equal(flow.path(Z, {"Eyeglasses": True}), before)


def test_a_search_for_a_mouth_stops_before_the_face_is_another_one_and_a_smile_is_seen() -> None:
    """Beyond a few standard deviations the decoder draws somebody else; gentler than the data's own difference a smile is none."""
    assert min(ladder({"Smiling": True})) == 1.0 and min(ladder({"Smiling": False})) < 1.0
    assert max(ladder({"Smiling": False})) < max(ladder({"Eyeglasses": True}))
    flow, away, near = moves(), 1e3 * Z, 1e-3 * Z
    for steps, kept in ((torch.stack([near, 2 * near, away]), 2), (torch.stack([away, 2 * away]), 1)):
        flow.path = lambda z, wanted, steps=steps: steps
        assert len(flow.search_path(Z, {"Smiling": False})) == kept
        assert len(flow.search_path(Z, {"Eyeglasses": True})) == len(steps)
