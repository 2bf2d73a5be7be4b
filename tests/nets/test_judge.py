"""The VGG levels that the judge and the identity net share, and the embedded weights that fit them."""

import torch
from torch import nn

from facevae.nets.judge import Judge, JudgeConfig, vgg_levels
from train.networks.classifier import judge_from
from train.networks.identity import identity_from


def test_every_level_but_the_last_halves_the_picture():
    levels = vgg_levels((4, 6, 8))
    assert levels(torch.rand(2, 3, 21, 16)).shape == (2, 8, 5, 4)
    assert [m.out_channels for m in levels if isinstance(m, nn.Conv2d)] == [4, 6, 6, 8]


def test_the_answer_for_a_picture_does_not_depend_on_the_others_or_on_its_size():
    judge = Judge(JudgeConfig(("Smiling", "Male"), size=16, widths=(4, 8))).eval()
    x = torch.rand(3, 3, 16, 16)
    with torch.no_grad():
        torch.testing.assert_close(judge(x), torch.cat([judge(one[None]) for one in x]), atol=1e-5, rtol=0)
        torch.testing.assert_close(judge(x.repeat_interleave(3, 2).repeat_interleave(3, 3)), judge(x), atol=1e-5, rtol=0)
        assert judge.embed(x).shape == (3, 8)


def test_the_embedded_judge_and_identity_net_still_fit_the_levels():
    judge, _ = judge_from()
    net, _, _ = identity_from()
    for levels, widths in ((judge.levels, judge.config.widths), (net.levels, net.config.widths)):
        assert {k: v.shape for k, v in levels.state_dict().items()} == {k: v.shape for k, v in vgg_levels(widths).state_dict().items()}
