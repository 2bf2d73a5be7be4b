"""Training loops of PyTorch-VAE, pythae and the reports, over our net, for `bench peers`.

- PyTorch-VAE trains in Lightning, from JPEGs that torchvision's transforms prepare in four worker processes.
- pythae trains in its own `BaseTrainer`, from a float tensor that holds all pictures.
- The reports train in a plain loop over a DataLoader that decodes JPEGs in its own process.

Validation, logging to files, progress bars and checkpoints are off: their time is not counted, unlike that of our ticks.
"""

import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from facevae.nets.vae import VAE
from train.data.prepared import CELEBA_CROP_PX
from train.vae.config import TrainConfig

LIGHTNING_WORKERS = 4  # PyTorch-VAE's configs/vae.yaml
Train = Callable[[VAE, nn.Module, list[Path], TrainConfig, int, bool, Path], None]


@dataclass(frozen=True)
class Peer:
    """A loop: net, loss, JPEGs, config, steps, tuned?, folder for what it writes. It takes so many steps, or a few more."""

    train: Train
    package: str | None
    """What has to be installed for it."""
    tried: int = 0
    """Batches that it passes through the net before it trains, to see whether they fit."""

    def lacks(self) -> str | None:
        """The package that is not installed."""
        return self.package if self.package is not None and importlib.util.find_spec(self.package) is None else None


class Faces(Dataset[tuple[Tensor, int]]):
    """Pictures decoded when they are asked for, flipped at random; the 0 stands for the label that others give along."""

    def __init__(self, files: list[Path], size: int) -> None:
        steps = [transforms.RandomHorizontalFlip(), transforms.CenterCrop(CELEBA_CROP_PX), transforms.Resize(size), transforms.ToTensor()]
        self.files, self.transform = files, transforms.Compose(steps)

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        with Image.open(self.files[index]) as file:
            return self.transform(file.convert("RGB")), 0


def optimizer_of(net: nn.Module, config: TrainConfig, tuned: bool) -> torch.optim.Optimizer:
    """Ours, or plain Adam as all three have it."""
    if tuned:
        return torch.optim.AdamW(net.parameters(), lr=config.lr, betas=config.betas, weight_decay=config.weight_decay, fused=True)
    return torch.optim.Adam(net.parameters(), lr=config.lr)


def train_plainly(net: VAE, loss: nn.Module, files: list[Path], config: TrainConfig, steps: int, tuned: bool, folder: Path) -> None:
    """A loop over a DataLoader, as the four reports have it."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net.to(device), loss.to(device)
    optimizer = optimizer_of(net, config, tuned)
    loader = DataLoader(Faces(files, config.net.shape[1]), config.batch_size, shuffle=True)
    for _, (x, _) in zip(range(steps), loader, strict=False):
        x = x.to(device)
        with torch.autocast(device.type, torch.bfloat16, enabled=tuned):
            mean, posterior = net(x)
        cost = loss(x, mean, posterior)
        optimizer.zero_grad()
        cost.backward()
        optimizer.step()


def train_in_lightning(net: VAE, loss: nn.Module, files: list[Path], config: TrainConfig, steps: int, tuned: bool, folder: Path) -> None:
    """Lightning's Trainer, a module that logs its loss, four workers."""
    import lightning

    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)

    class Experiment(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.loss = net, loss

        def training_step(self, batch: Any, index: int) -> Tensor:
            x, _ = batch
            value = self.loss(x, *self.net(x))
            self.log("loss", value)
            return value

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return optimizer_of(self.net, config, tuned)

    trainer = lightning.Trainer(
        max_steps=steps,
        precision="bf16-mixed" if tuned else "32-true",
        accelerator="auto",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    faces = Faces(files, config.net.shape[1])
    trainer.fit(
        Experiment(),
        DataLoader(faces, config.batch_size, shuffle=True, num_workers=LIGHTNING_WORKERS, pin_memory=torch.cuda.is_available()),
    )


def train_in_pythae(net: VAE, loss: nn.Module, files: list[Path], config: TrainConfig, steps: int, tuned: bool, folder: Path) -> None:
    """pythae's BaseTrainer, over a tensor of as many pictures as the steps need."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import BaseAE, BaseAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    device_type = "cuda" if torch.cuda.is_available() else "cpu"

    class Model(BaseAE):
        def __init__(self) -> None:
            super().__init__(BaseAEConfig(input_dim=config.net.shape, latent_dim=config.net.latent), encoder=None, decoder=None)
            self.decoder, self.net, self.loss = None, net, loss

        def forward(self, inputs: Any, **_: Any) -> Any:
            x = inputs["data"]
            with torch.autocast(device_type, torch.bfloat16, enabled=tuned):  # its own `amp` knows no CPU
                mean, posterior = self.net(x)
            return ModelOutput(loss=self.loss(x, mean, posterior))

        def save(self, dir_path: str) -> None:
            """Weights and pickles at the end are not what is measured."""

    faces = Faces(files, config.net.shape[1])
    pictures = torch.stack([faces[i][0] for i in range(steps * config.batch_size)])
    names = {"optimizer_cls": "AdamW", "optimizer_params": {"fused": True, "weight_decay": config.weight_decay}} if tuned else {}
    how = BaseTrainerConfig(
        output_dir=str(folder), num_epochs=1, per_device_train_batch_size=config.batch_size, learning_rate=config.lr, **names
    )
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("pythae"):
            logging.getLogger(name).setLevel(logging.ERROR)
    BaseTrainer(Model(), BaseDataset(pictures, torch.zeros(len(pictures))), training_config=how).train()


PEERS = {
    "PyTorch-VAE's way (Lightning, JPEGs)": Peer(train_in_lightning, "lightning"),
    "pythae's BaseTrainer (tensor in memory)": Peer(train_in_pythae, "pythae", tried=1),
    "the reports' way (DataLoader, JPEGs)": Peer(train_plainly, None),
}
