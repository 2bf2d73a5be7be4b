"""Conv2d with weights packed once for oneDNN (MKLDNN), not again for every picture."""

import copy
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)
NEEDED = (
    "_reorder_convolution_weight",
    "_convolution_pointwise",
    "_convolution_pointwise_",
    "_reorder_convolution_transpose_weight",
    "_convolution_transpose_pointwise",
)


def packable(net: nn.Module) -> bool:
    """Whether this torch and this processor have what packing needs, and the net's numbers are float32 on the CPU."""
    if not torch.backends.mkldnn.is_available() or torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        return False  # the operations exist for other processors too, but they are untested there
    return all(hasattr(torch.ops.mkldnn, name) for name in NEEDED) and all(
        p.device.type == "cpu" and p.dtype == torch.float32 for p in net.parameters()
    )


class Packed:
    """A convolution: (b, i, h, w) -> (b, o, h2, w2), channels last. No gradient.

    Any batch and any picture size may come; it is quickest for `shape`, that of the usual input (b, i, h, w).
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        shape: tuple[int, ...],
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int] = (1, 1),
    ) -> None:
        self.geometry = (list(padding), list(stride), [1, 1], 1)
        self.bias = None if bias is None else bias.detach()
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(weight.detach(), *self.geometry, list(shape))

    # Adding the activation that follows to these calls was tried: torch's own, in place, is quicker.

    def __call__(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._convolution_pointwise.default(x, self.weight, self.bias, *self.geometry, "none", [], "")

    def add_to(self, y: Tensor, x: Tensor) -> Tensor:
        """y + this of x, written into y."""
        call = torch.ops.mkldnn._convolution_pointwise_.binary
        return call(y, x, self.weight, self.bias, *self.geometry, "add", 1.0, None, [], None)


class PackedTransposed:
    """A transposed convolution: (b, i, h, w) -> (b, o, h2, w2), channels last, quickest for inputs of `shape`. No gradient.

    `weight` is (i, o, kh, kw), as `nn.ConvTranspose2d` has it.
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor | None,
        shape: tuple[int, ...],
        stride: tuple[int, int],
        padding: tuple[int, int],
        extra: tuple[int, int] = (0, 0),
    ) -> None:
        self.geometry = (list(padding), list(extra), list(stride), [1, 1], 1)
        self.bias = None if bias is None else bias.detach()
        self.weight = torch.ops.mkldnn._reorder_convolution_transpose_weight(weight.detach(), *self.geometry, list(shape))

    def __call__(self, x: Tensor) -> Tensor:
        return torch.ops.mkldnn._convolution_transpose_pointwise.default(x, self.weight, self.bias, *self.geometry, "none", [], "")


class PackedConv2d(nn.Module):
    """An `nn.Conv2d` with packed weights for both ways, the picture's and the gradient's; its weights get no gradient.

    Made from a convolution and the shapes that went in and came out; only inputs of that height and width may come.
    """

    def __init__(self, conv: nn.Conv2d, before: torch.Size, after: torch.Size) -> None:
        super().__init__()
        stride, padding = (conv.stride[0], conv.stride[1]), (int(conv.padding[0]), int(conv.padding[1]))
        self.forth = Packed(conv.weight, conv.bias, before, stride, padding)
        # What lies beyond the last place that the kernel came to has a gradient too: zero.
        extra = [before[2 + k] - ((after[2 + k] - 1) * stride[k] - 2 * padding[k] + conv.kernel_size[k]) for k in (0, 1)]
        self.back = PackedTransposed(conv.weight, None, after, stride, padding, (extra[0], extra[1]))

    def forward(self, x: Tensor) -> Tensor:
        return _BothWays.apply(x, self) if torch.is_grad_enabled() and x.requires_grad else self.forth(x)


class _BothWays(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, conv: PackedConv2d) -> Tensor:
        ctx.conv = conv
        return conv.forth(x)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.conv.back(gradient), None


def pack_convolutions(net: ModuleT, look: Callable[[ModuleT], object]) -> ModuleT:
    """A copy of `net` over the same weights, whose convolutions are packed for gradients in the input; for frozen weights only.

    `look` calls the net on an example of the usual batch and size; convolutions that do not take part stay as they are, and so
    does the whole net where it is not `packable`. The packed weights are copies, two of each: keep the net as long as a search takes.
    """
    if not packable(net):
        return net
    shapes: dict[nn.Module, tuple[torch.Size, torch.Size]] = {}
    shared = {id(t): t for t in [*net.parameters(), *net.buffers()]}
    other = copy.deepcopy(net, shared)
    convolutions = [m for m in other.modules() if isinstance(m, nn.Conv2d) and plain(m)]
    hooks = [conv.register_forward_hook(lambda conv, x, y: shapes.__setitem__(conv, (x[0].shape, y.shape))) for conv in convolutions]
    with torch.inference_mode(False), torch.no_grad():
        look(other)
        for hook in hooks:
            hook.remove()
        for module in list(other.modules()):
            for name, child in list(module.named_children()):
                if child in shapes:
                    setattr(module, name, PackedConv2d(child, *shapes[child]))
    return other


def plain(conv: nn.Conv2d) -> bool:
    """Whether it does nothing that `Packed` does not: no groups, no dilation, zeros around, as many as a number says."""
    return conv.groups == 1 and set(conv.dilation) == {1} and conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
