"""Plain label guidance, the baseline: one cross-entropy of all labels, 100 steps of Adam."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from facevae.editor import Editor, Face
from facevae.photo import images
from facevae.photo.compositing import soft_mask

STEPS = 100
RATE = 0.02  # against 0.05 it leaks less, 0.46 against 0.53 σ, with 10 against 11 successes on 24 valid faces


def plain_guide(editor: Editor, face: Face, wanted: Mapping[str, bool]) -> Float[Tensor, " d"]:
    """The move of z after Adam on the binary cross-entropy of all labels: those the guide sees in the photo, the wanted ones changed."""
    net, guide, attributes = editor.checkpoint.net, editor.checkpoint.classifier, editor.attributes
    crop, mask = images.to_float(face.crop), torch.from_numpy(soft_mask(editor.size))
    latent = torch.from_numpy(face.latent)[None]
    with torch.no_grad():
        before, labels = net.decode(latent).clamp(0, 1), (guide(crop) > 0).float()
    for name, want in wanted.items():
        labels[0, attributes.index(name)] = float(want)
    move = torch.zeros_like(latent).requires_grad_(True)
    optimizer = torch.optim.Adam([move], lr=RATE)
    for _ in range(STEPS):
        picture = (crop + mask * (net.decode(latent + move).clamp(0, 1) - before)).clamp(0, 1)
        (move.grad,) = torch.autograd.grad(F.binary_cross_entropy_with_logits(guide(picture), labels), [move])
        optimizer.step()
    return move.detach()[0]
