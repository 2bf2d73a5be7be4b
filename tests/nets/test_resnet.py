"""The residual network is torchvision's but for its stem: same names, same numbers."""

import torch
import torchvision
from torch import nn

from facevae.nets.resnet import ResNet


def test_it_is_torchvisions_with_another_stem() -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.ResNet(torchvision.models.resnet.BasicBlock, [2, 1, 2, 1], num_classes=3)
    theirs.conv1 = nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False)
    ours = ResNet((2, 1, 2, 1), 3)
    for norm in (module for module in theirs.modules() if isinstance(module, nn.BatchNorm2d)):
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.uniform_(norm.running_mean)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.rand(2, 3, 48, 64)
    for mode in (True, False):
        torch.testing.assert_close(ours.train(mode)(x), theirs.train(mode)(x))
    # He et al. (Delving Deep into Rectifiers, 2015): variance 2 / fan-out, within 5 standard errors of that of so many normal numbers.
    fresh = ResNet((2, 2, 2, 2), 3).layer4[1].conv2.weight
    assert abs(fresh.var() * 512 * 9 / 2 - 1) < 5 * (2 / fresh.numel()) ** 0.5
