"""ResNet (He et al., Deep Residual Learning, 2016) with basic blocks and a 3×3 stem.

Weights have the names and shapes of torchvision's, except for the stem. Written out, not imported: `import torchvision.models` adds
1.9 s of processor time to the 1.9 s of `import torch` (two Xeon cores; python -X importtime shows the same ratio).
"""

from jaxtyping import Float
from torch import Tensor, nn

WIDTHS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two convolutions and a shortcut: (b, i, h, w) -> (b, o, h / stride, w / stride)."""

    def __init__(self, i: int, o: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(i, o, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(o)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(o, o, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(o)
        self.downsample = None
        if stride != 1 or i != o:
            self.downsample = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x: Float[Tensor, "b i h w"]) -> Float[Tensor, "b o h2 w2"]:
        h = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(h + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """A 3×3 stem of stride 2, max-pooling, four levels of `layers` blocks each, the mean, and one linear layer: (b, 3, h, w) -> (b, a)."""

    def __init__(self, layers: tuple[int, int, int, int], answers: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, WIDTHS[0], 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(WIDTHS[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(*(BasicBlock(o if k else i, o, 1 if k else stride) for k in range(blocks)))
            for i, o, stride, blocks in zip((WIDTHS[0], *WIDTHS), WIDTHS, (1, 2, 2, 2), layers, strict=False)
        )
        self.fc = nn.Linear(WIDTHS[-1], answers)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and not module.weight.is_meta:  # there PyTorch would import a compiler to draw nothing
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b a"]:
        h = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for level in (self.layer1, self.layer2, self.layer3, self.layer4):
            h = level(h)
        return self.fc(h.mean(dim=(2, 3)))
