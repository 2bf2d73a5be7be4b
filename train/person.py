"""What makes a face somebody else's: the steps along which it changes most in the judge's features."""

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor
from tqdm import tqdm

from facevae.nets.vae import VAE
from facevae.photo import images
from facevae.photo.compositing import soft_mask
from train.data import PreparedData
from train.judge import Scorer

BATCH = 16


def identity_steps(
    net: VAE,
    judge: Scorer,
    data: PreparedData,
    index: Int[np.ndarray, " n"],
    z: Float32[np.ndarray, "n d"],
    cholesky: Float[Tensor, "d d"],
    count: int,
    seed: int = 0,
) -> Float[Tensor, "k d"]:
    """The `count` steps of one σ that move the embeddings of photos most on average.

    The principal components of E[JᵀJ], J the Jacobian of the embedding of crop + mask · (G(z + L u) - G(z)) in the whitened
    latent u, estimated with one random projection of the embedding for each face (Hutchinson's way: E[v vᵀ] = I).
    """
    generator = torch.Generator().manual_seed(seed)
    mask = torch.from_numpy(soft_mask(data.size))[None, None]
    rows = []
    for part in tqdm(np.array_split(np.arange(len(index)), -(-len(index) // BATCH)), desc="identity steps", unit="batch"):
        x, at = images.to_float(data.images[index[part]]), torch.from_numpy(z[part])
        u = torch.zeros_like(at).requires_grad_(True)
        before = net.decode(at).detach()
        embedding = judge.embed(x + mask * (net.decode(at + u @ cholesky.T) - before))
        v = torch.randn(embedding.shape, generator=generator)
        rows.append(torch.autograd.grad((embedding * v).sum(), [u])[0])
    _, _, axes = torch.linalg.svd(torch.cat(rows), full_matrices=False)
    return axes[:count] @ cholesky.T
