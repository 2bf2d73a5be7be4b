"""Training on several processes: rows of the batch, averaged gradients, equal weights."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

T = TypeVar("T")


class Ranks:
    """Process `rank` of `count`, each of which sees as many rows of the batch as the others.

    What is a mean over the batch stays one: `mean` gives the value of the whole batch and the gradient of the own rows, which
    DistributedDataParallel then averages. Alone, every method hands back what it was given, to the bit.
    """

    def __init__(self, rank: int = 0, count: int = 1) -> None:
        self.rank, self.count = rank, count

    @property
    def main(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def rows(self, size: int) -> slice:
        """The own rows of `size`; `ValueError` where they cannot be shared evenly."""
        if size % self.count:
            raise ValueError(f"{size} pictures of a batch cannot be shared evenly by {self.count} processes")
        own = size // self.count
        return slice(self.rank * own, (self.rank + 1) * own)

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a value over the processes; its gradient is that of the own one."""
        if self.count == 1:
            return value
        mean = value.detach().clone()
        distributed.all_reduce(mean)
        mean /= self.count
        # States that all keep must be equal to the bit; a loss need not be, and carries the gradient.
        return value + (mean - value.detach()) if value.requires_grad else mean

    def norm(self, value: Tensor) -> Tensor:
        """Length of a tensor whose rows the processes share, over a factor that depends on their number alone."""
        return value.norm() if self.count == 1 else self.mean(value.detach().norm().square()).sqrt()

    def draw(self, make: Callable[[int], Tensor], parts: Sequence[int]) -> Tensor:
        """Own rows of what `make` draws for the whole batch, which is made of several parts; `parts` are their own rows."""
        if self.count == 1:
            return make(sum(parts))
        whole = make(sum(parts) * self.count).split([n * self.count for n in parts])
        return torch.cat([part[self.rank * n : (self.rank + 1) * n] for part, n in zip(whole, parts, strict=True)])

    def average(self, gradients: Iterable[Tensor]) -> None:
        """Put the mean over the processes in the place of each gradient."""
        gradients = list(gradients)
        if self.count == 1 or not gradients:
            return
        mean = self.mean(torch.cat([g.flatten() for g in gradients]))
        for gradient, part in zip(gradients, mean.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))

    def any(self, value: bool, device: torch.device) -> bool:
        """Whether any process was asked; all come to the same answer."""
        return value if self.count == 1 else bool(self.mean(torch.tensor(float(value), device=device)) > 0)

    def collect(self, own: Mapping[int, T]) -> list[T]:
        """What all processes have made, in the order of its numbers."""
        found: list[Mapping[int, T]] = [own]
        if self.count > 1:
            found = [{}] * self.count
            distributed.all_gather_object(found, own)
        whole = {number: value for part in found for number, value in part.items()}
        return [whole[number] for number in sorted(whole)]

    def copy_from_main(self, modules: Iterable[nn.Module]) -> None:
        """Give all processes the weights and buffers of the first."""
        if self.count > 1:
            for module in modules:
                for value in module.state_dict().values():
                    # A broadcast fills memory in its own order: weights may lie in channels_last.
                    plain = value.detach().contiguous()
                    distributed.broadcast(plain, 0)
                    value.copy_(plain)


ALONE = Ranks()
