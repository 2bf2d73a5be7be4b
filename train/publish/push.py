"""Push a checkpoint folder to the Hugging Face Hub in one commit, with a card.

One commit holds all of it, so that a branch never is half a checkpoint. Large files go to the Hub's storage before the commit, by
their hash: a push that stopped is gone on with by the same command, and what is there already is not sent again.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from facevae.checkpoint.checkpoint import Checkpoint
from facevae.checkpoint.hub import NAME, Source, Unreachable, hub_errors, one_line
from facevae.checkpoint.manifest import CARD, KNOWN, MANIFEST, manifest_of, read_bytes
from facevae.checkpoint.verify import verify
from facevae.editor import Editor
from train.publish.card import model_card
from train.vae.sample_sheets import tile

SHEET = "samples.jpg"
SEEDS, TEMPERATURE = range(32), 0.7
HUB_PART = """
## Faces it draws
Seeds 0 to 31, fitted prior, temperature {temperature}; none of them is a photo.

![32 drawn faces]({sheet})

## How to use it
```bash
python app.py --checkpoint {repo}
```
```python
from facevae import Editor

editor = Editor.from_pretrained("{repo}")  # revision="…" pins a commit, which then needs no network
```
Recipes know this checkpoint as `{digest}`.
"""


@dataclass(frozen=True)
class PlannedPush:
    """What goes to the Hub: the content of each file by its name."""

    repo: str
    files: dict[str, bytes]


def prepare_push(folder: Path, repo: str) -> PlannedPush:
    """Read a checkpoint folder, write its card for the Hub, draw the sheet, and list all of it anew.

    `ValueError` where the folder is not whole or `repo` no name. config.json stays, and with it what recipes call the checkpoint.
    """
    if not NAME.fullmatch(repo):
        raise ValueError(f"{repo} is no name on the Hub: owner/name is")
    if faults := verify(folder):
        raise ValueError(f"{faults[0]}: only a whole checkpoint is pushed" + (f" ({len(faults) - 1} more faults)" if faults[1:] else ""))
    checkpoint = Checkpoint.from_pretrained(folder)
    card = model_card(replace(checkpoint, name=repo.partition("/")[2]))
    card += HUB_PART.format(temperature=TEMPERATURE, sheet=SHEET, repo=repo, digest=checkpoint.digest)
    files = {name: read_bytes(folder / name) for name in KNOWN if (folder / name).is_file()}
    files[CARD] = card.encode()
    version = json.loads(files["config.json"])["format"]
    manifest = json.dumps(manifest_of(files, version), indent=1) + "\n"
    return PlannedPush(repo, files | {MANIFEST: manifest.encode(), SHEET: draw_sheet(checkpoint)})


def draw_sheet(checkpoint: Checkpoint) -> bytes:
    """Faces that the model draws, as a JPEG."""
    faces = Editor(checkpoint).generate(SEEDS, temperature=TEMPERATURE)
    out = io.BytesIO()
    Image.fromarray(tile(np.stack([face.crop for face in faces]), columns=8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def describe_push(push: PlannedPush, private: bool) -> str:
    """What would be sent, a line for each file."""
    rows = [f"{len(data):>12,} bytes  {hashlib.sha256(data).hexdigest()[:12]}  {name}" for name, data in push.files.items()]
    total = sum(map(len, push.files.values()))
    return "\n".join([*rows, f"{total:>12,} bytes to {push.repo}, {'private' if private else 'public'} if it has to be created"])


def send(push: PlannedPush, private: bool) -> Source:
    """Create the repository where there is none, upload what it lacks, and commit; gives the commit.

    `ValueError` in one sentence for what the Hub says; the same call goes on where another has stopped.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    api, target = HfApi(), Source(push.repo)
    with refusals(target):
        api.create_repo(push.repo, private=private, exist_ok=True)
        info = api.model_info(push.repo, revision=target.revision)
        if private and not info.private:
            raise ValueError(f"{push.repo} is there already and public: nothing was sent; make it private on its page on the Hub first")
        there = {file.rfilename for file in info.siblings or []}
        gone = [name for name in KNOWN if name in there and name not in push.files]
        operations = [
            *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=data) for name, data in push.files.items()),
            *(CommitOperationDelete(path_in_repo=name) for name in gone),
        ]
        digest = hashlib.sha256(push.files["config.json"]).hexdigest()
        commit = api.create_commit(push.repo, operations, commit_message=f"facevae checkpoint {digest[:12]}")
    return Source(push.repo, commit.oid)


@contextmanager
def refusals(target: Source) -> Iterator[None]:
    """Say in one sentence what a push ran into: who may write, and that the same command goes on."""
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    login = "run `hf auth login` with a token that may write"
    try:
        with hub_errors(target):
            try:
                yield
            except LocalTokenNotFoundError:
                raise ValueError(f"nobody is logged in who could write to {target.repo}: {login}") from None
            except HfHubHTTPError as error:
                if error.response is None or error.response.status_code not in (401, 403):
                    raise
                raise ValueError(f"the Hub does not let you write to {target.repo}: {login}") from None
            except RuntimeError as error:
                raise Unreachable(one_line(error)) from None
    except Unreachable as error:
        raise ValueError(f"{target.repo} was not pushed ({error}): the same command goes on where this one stopped") from None
