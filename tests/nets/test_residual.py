"""The residual VAE as a function: no image knows of another, wrong sizes are named."""

import pytest
import torch

from facevae.nets.residual import ResidualConfig, ResidualVAE


def test_batch_equals_singles(tiny_net: ResidualVAE) -> None:
    x = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    z = tiny_net.encode(x).mean
    torch.testing.assert_close(z, torch.cat([tiny_net.encode(i[None]).mean for i in x]), atol=1e-5, rtol=0)
    torch.testing.assert_close(tiny_net.decode(z), torch.cat([tiny_net.decode(i[None]) for i in z]), atol=1e-5, rtol=0)


def test_no_gradient_from_one_image_to_another(tiny_net: ResidualVAE) -> None:
    x = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    mean, _ = tiny_net(x, torch.Generator().manual_seed(0))
    mean[0].sum().backward()
    assert x.grad[0].abs().max() > 0
    assert x.grad[1:].abs().max() == 0


def test_sampling_is_by_its_generator(tiny_net: ResidualVAE) -> None:
    q = tiny_net.encode(torch.rand(2, 3, 16, 16))
    draw = lambda seed: q.sample(torch.Generator().manual_seed(seed))  # noqa: E731
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_new_head_has_no_patch_grid() -> None:
    """ICNR: at the start the sub-pixels of a patch are equal, so that a flat map gives a flat picture inside."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        decoder = ResidualVAE(ResidualConfig(size=16, patch=4, widths=(8,), encoder_blocks=(0,), decoder_blocks=(0,), latent=4)).decoder
    picture = decoder.shuffle(decoder.to_pixels(torch.ones(1, 8, 4, 4)))[..., 4:-4, 4:-4]
    torch.testing.assert_close(picture, picture[..., :1, :1].expand_as(picture))


def test_wrong_sizes_are_named(tiny_net: ResidualVAE) -> None:
    with pytest.raises(ValueError, match=r"\(3, 8, 8\), the net expects \(3, 16, 16\)"):
        tiny_net.encode(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match="latent has 5 values, the net expects 6"):
        tiny_net.decode(torch.zeros(1, 5))
    with pytest.raises(ValueError, match="multiple of patch"):
        ResidualConfig(size=100)
    with pytest.raises(ValueError, match="a half at a time"):
        ResidualConfig(detail_widths=(16,))
