"""Processes that are there at once: a server that has imported everything forks them."""

import multiprocessing

FORKS = multiprocessing.get_context("forkserver")
# The first step of an optimizer imports torch._dynamo, which takes longer than all of a tiny run: in the server, once.
FORKS.set_forkserver_preload(["torch._dynamo", "tests.train.conftest", "train.vae.loop", "train.__main__", "train.commands.fit"])
PATIENCE_SEC = 600
"""Against processes that never end, not a measure of speed."""
