"""A decoder that was trained further, in the checkpoint that it began with."""

from dataclasses import replace
from pathlib import Path

import pytest

from facevae.checkpoint.checkpoint import EMBEDDED, Checkpoint
from tests.train.conftest import CONFIG
from train.commands.checkpoints import Decoder
from train.data.prepared import PreparedData
from train.publish.decoder import add_decoder
from train.publish.export import same_weights, write_with_card
from train.vae.loop import fit


def test_a_decoder_is_replaced_and_another_encoder_refused(tiny_checkpoint: Checkpoint, data: PreparedData, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    known = {"training": {"nimg": 100}, "edits": {}}
    before = write_with_card(folder, replace(tiny_checkpoint, evaluation=known))
    config = replace(CONFIG, net=before.net.config, frozen=("encoder.",), likelihood="map")
    fit(config, data, tmp_path / "run", start=folder)
    add_decoder(folder, tmp_path / "run")
    after = Checkpoint.from_pretrained(folder)
    assert same_weights(after.net.encoder, before.net.encoder) and not same_weights(after.net.decoder, before.net.decoder)
    assert after.evaluation["training"]["nimg"] == 100 + config.total_nimg and "edits" in after.evaluation
    assert after.directions.keys() == before.directions.keys()
    fit(replace(config, frozen=(), seed=5), data, tmp_path / "other")
    with pytest.raises(ValueError, match="another encoder"):
        add_decoder(folder, tmp_path / "other")


def test_the_embedded_checkpoint_gets_no_decoder_without_its_exhibit(tmp_path: Path) -> None:
    before = (EMBEDDED / "manifest.json").read_bytes()
    with pytest.raises(ValueError, match="--data"):
        Decoder(run_dir=tmp_path, checkpoint=EMBEDDED).run()
    assert (EMBEDDED / "manifest.json").read_bytes() == before
