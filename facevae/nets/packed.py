"""A net's convolutions with weights that lie as this processor wants them: for drawing, where no gradient is asked for."""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

ModuleT = TypeVar("ModuleT", bound=nn.Module)


class PackedConv2d(nn.Module):
    """An `nn.Conv2d` whose weights oneDNN has put into its own order once; `nn.Conv2d` does so for every picture.

    Any batch and any picture size may come; it is quickest for `shape`, that of the input (b, c, h, w) at which it was made.
    """

    def __init__(self, conv: nn.Conv2d, shape: torch.Size) -> None:
        super().__init__()
        self.geometry = (conv.padding, conv.stride, conv.dilation, conv.groups)
        self.bias = conv.bias
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(conv.weight.detach(), *self.geometry, list(shape))

    def forward(self, x: Tensor) -> Tensor:
        # Adding the activation or the sum that follows to this call was tried: it gains nothing.
        return torch.ops.mkldnn._convolution_pointwise(x, self.weight, self.bias, *self.geometry, "none", [], "")


def packed(net: ModuleT, example: Tensor) -> ModuleT:
    """A copy of `net` over the same weights that computes the same but for the last bits, quicker and without a gradient.

    `example` is an input of the usual shape. `net` itself where this torch has no oneDNN (other processors), or where the
    weights are not float32 on the CPU.
    """
    if not torch.backends.mkldnn.is_available() or not hasattr(torch.ops.mkldnn, "_reorder_convolution_weight"):
        return net
    if any(p.device.type != "cpu" or p.dtype != torch.float32 for p in net.parameters()):
        return net
    shapes: dict[nn.Module, torch.Size] = {}
    other = copy.deepcopy(net, {id(p): p for p in net.parameters()})
    convolutions = [module for module in other.modules() if isinstance(module, nn.Conv2d) and module.padding_mode == "zeros"]
    hooks = [conv.register_forward_pre_hook(lambda conv, inputs: shapes.__setitem__(conv, inputs[0].shape)) for conv in convolutions]
    with torch.inference_mode(False), torch.no_grad():
        other(example)
        for hook in hooks:
            hook.remove()
        for module in list(other.modules()):
            for name, child in list(module.named_children()):
                if child in shapes:
                    setattr(module, name, PackedConv2d(child, shapes[child]))
    return other
