"""The face parser: a logit for each part and pixel, small enough, refuses other sizes."""

import pytest
import torch

from facevae.nets.parser import PARTS, FaceParser, ParserConfig


def test_each_pixel_gets_a_logit_for_each_part() -> None:
    net = FaceParser(ParserConfig(size=32, widths=(4, 8, 8))).eval()
    x = torch.rand(2, 3, 32, 32)
    logits = net(x)
    assert net(x[:, :, :16, :16]).shape == (2, len(PARTS), 16, 16)  # a view of less or more than the crop
    assert logits.shape == (2, len(PARTS), 32, 32) and logits.dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16):
        assert net(x).dtype == torch.float32
    with pytest.raises(ValueError, match="30 x 30 px cannot be halved 3 times"):
        net(x[:, :, :30, :30])


def test_a_pixel_matters_where_it_lies() -> None:
    """Upsampled levels lie over the pixels that they were made of: a change moves the logits around itself the most."""
    torch.manual_seed(0)
    net = FaceParser(ParserConfig(size=32, widths=(4, 8, 8))).eval()
    x = torch.rand(1, 3, 32, 32)
    changed = x.clone()
    changed[:, :, 20:24, 8:12] = 1 - x[:, :, 20:24, 8:12]
    with torch.no_grad():
        moved = (net(changed) - net(x)).abs().sum(1)[0]
    rows, columns = (moved.sum(d) / moved.sum() @ torch.arange(32.0) for d in (1, 0))
    assert abs(rows - 21.5) < 2 and abs(columns - 9.5) < 2


def test_the_default_fits_a_checkpoint() -> None:
    net = FaceParser(ParserConfig())
    assert 2 * sum(t.numel() for t in net.state_dict().values()) <= 2_000_000
    with pytest.raises(ValueError, match="size 20 cannot be halved 4 times"):
        ParserConfig(size=20)
