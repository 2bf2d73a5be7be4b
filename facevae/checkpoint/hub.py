"""Download checkpoints from the Hugging Face Hub: owner/name@revision -> a folder.

Branches and tags are resolved to a commit first, sizes are compared with the limits before anything is fetched, and only the files
of a checkpoint are: a repository may hold others, pickles among them, which are never downloaded. A commit in the cache needs no
request.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facevae.checkpoint.manifest import COMMIT, FILES, KNOWN, MANIFEST, MAX_FOLDER_BYTES, OPTIONAL, limit_of, parse_json, read_bytes

PATIENCE_SEC, TRIES = 10, 3
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
REVISION = re.compile(r"[A-Za-z0-9][\w./-]{0,119}", re.ASCII)


class Unreachable(ValueError):
    """The Hub does not answer as it should."""


@dataclass(frozen=True)
class Source:
    """A repository of the Hub and which of its revisions: a commit, a tag or a branch."""

    repo: str
    revision: str = "main"

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision}"

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, which never changes."""
        return COMMIT.fullmatch(self.revision) is not None


@dataclass(frozen=True)
class Fetched:
    """A checkpoint of the Hub on this machine."""

    folder: Path
    source: Source
    """With the commit as its revision."""
    note: str
    """For the user, in one sentence: "owner/name@main is commit …", or that the Hub could not be reached."""


def source_of(text: str, revision: str | None = None) -> Source:
    """ "owner/name" or "owner/name@revision"; `ValueError` where it is neither, or names two revisions."""
    repo, _, given = text.partition("@")
    if given and revision and given != revision:
        raise ValueError(f"{text} names the revision {given}, and {revision} is named as well: give one of them")
    source = Source(repo, given or revision or "main")
    if not NAME.fullmatch(repo) or ".." in text or "--" in repo or (text.endswith("@")):
        raise ValueError(f"{text} is neither a checkpoint folder nor a Hub name owner/name")
    if not REVISION.fullmatch(source.revision) or ".." in source.revision:
        raise ValueError(f"{source.revision!r:.80} is no revision of a Hub repository: a commit, a tag or a branch is")
    return source


def fetch(source: Source) -> Fetched:
    """Download a checkpoint, or find it in the cache.

    `Unreachable` where the Hub does not answer and the cache does not have it; `ValueError`, in one sentence each, for what the Hub says.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if source.pinned and (folder := cached(source)) is not None:
        return Fetched(folder, source, "")
    try:
        with hub_errors(source):
            commit, sizes = look_up(source)
            found = Source(source.repo, commit)
            folder = cached(found)
            if folder is None:
                check_sizes(found, sizes)
                folder = download(found, [name for name in (*KNOWN, MANIFEST) if name in sizes])
            if cached(source) != folder:
                record_revision(source)
    except Unreachable as error:
        folder = cached(source)
        if folder is None:
            raise Unreachable(f"{error}, and {source} is not in the cache") from None
        note = f"The Hub cannot be reached: {source} is used as it was fetched last, commit {folder.name}."
        return Fetched(folder, Source(source.repo, folder.name), note)
    return Fetched(folder, found, "" if source.pinned else f"{source} is commit {commit}.")


def look_up(source: Source) -> tuple[str, dict[str, int | None]]:
    """The commit of a revision, and the size of each file that it has, in bytes."""
    from huggingface_hub import HfApi

    info = HfApi().model_info(source.repo, revision=source.revision, files_metadata=True, timeout=PATIENCE_SEC)
    if not info.sha or not COMMIT.fullmatch(info.sha):
        raise ValueError(f"the Hub did not say which commit {source} is")
    return info.sha, {file.rfilename: file.size for file in info.siblings or []}


def check_sizes(source: Source, sizes: dict[str, int | None]) -> None:
    """`ValueError` where a repository is no checkpoint, or has more bytes than one may: before any of them is fetched."""
    if missing := [name for name in ("config.json", MANIFEST, *FILES) if name not in sizes]:
        raise ValueError(f"{source} is no checkpoint of facevae: it lacks {', '.join(missing)}")
    total = 0
    for name in sizes.keys() & {*KNOWN, MANIFEST}:
        size = sizes[name]
        if size is None or not 0 <= size <= limit_of(name):
            raise ValueError(f"{source}: {name} has {size} bytes, and {limit_of(name)} are allowed: nothing was fetched")
        total += size
    if total > MAX_FOLDER_BYTES:
        raise ValueError(f"{source} has {total} bytes, and {MAX_FOLDER_BYTES} are allowed: nothing was fetched")


def download(source: Source, names: list[str]) -> Path:
    """Fetch these files of a commit; a download that was cut is resumed, which not every version of the client does by itself."""
    from huggingface_hub import errors, snapshot_download

    for tries_left in reversed(range(TRIES)):
        try:
            return Path(snapshot_download(source.repo, revision=source.revision, allow_patterns=names, etag_timeout=PATIENCE_SEC))
        except errors.HTTPError as error:
            if not tries_left or isinstance(error, errors.HfHubHTTPError):  # an answer is an answer
                raise
    raise AssertionError("the last try raises")


def cached(source: Source) -> Path | None:
    """The folder of a revision in the cache, if all of it is there; a branch is the commit that it was when it was last resolved."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(source.repo, "config.json", revision=source.revision)
    if not isinstance(found, str):
        return None
    folder = Path(found).parent
    try:
        listed = parse_json(read_bytes(folder / "config.json"), folder / "config.json").get("files", {})
    except ValueError:
        return folder  # it is there, and loading it says what is wrong with it
    names = [MANIFEST, *FILES, *(name for name in OPTIONAL if name in listed)]
    return folder if all((folder / name).is_file() for name in names) else None


def record_revision(source: Source) -> None:
    """Let the Hub's client note in its cache which commit a branch or a tag is; config.json of that commit is there already."""
    from huggingface_hub import hf_hub_download

    hf_hub_download(source.repo, "config.json", revision=source.revision, etag_timeout=PATIENCE_SEC)


def list_cached() -> list[Source]:
    """The checkpoints in the cache, by commit; other models there are left out."""
    from huggingface_hub import constants

    found = []
    for snapshot in sorted(Path(constants.HF_HUB_CACHE).glob("models--*--*/snapshots/*")):
        source = Source(snapshot.parent.parent.name.removeprefix("models--").replace("--", "/"), snapshot.name)
        if source.pinned and NAME.fullmatch(source.repo) and (snapshot / "model.safetensors").is_file() and cached(source) is not None:
            found.append(source)
    return found


@contextmanager
def hub_errors(source: Source) -> Iterator[None]:
    """Turn what the Hub's client raises into a `ValueError` of one clause, `Unreachable` where there was no proper answer."""
    from huggingface_hub import errors

    # The client's own name for the HTTPError of whichever httpx it is built on.
    transport: type[Exception] = errors.HTTPError
    try:
        yield
    except errors.GatedRepoError:
        raise ValueError(f"{source.repo} asks for its terms to be accepted on its page on the Hub, and for `hf auth login` here") from None
    except errors.RevisionNotFoundError:
        raise ValueError(f"the Hub repository {source.repo} has no revision {source.revision}") from None
    except errors.RepositoryNotFoundError:
        raise ValueError(f"the Hub has no repository {source.repo}, or it is private and you are not logged in (`hf auth login`)") from None
    except errors.RemoteEntryNotFoundError:
        raise ValueError(f"{source} lacks a file that the Hub listed a moment ago: try again") from None
    except errors.HFValidationError as error:
        raise ValueError(f"{source} is no name on the Hub ({one_line(error)})") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        if status in (401, 403):
            raise ValueError(f"the Hub refuses {source} to you: log in with `hf auth login`, or ask its owner for access") from None
        raise Unreachable(f"the Hub cannot be reached (it answered {status})") from None
    except errors.OfflineModeIsEnabled:
        raise Unreachable("the Hub may not be asked (HF_HUB_OFFLINE is set)") from None
    except (errors.LocalEntryNotFoundError, transport) as error:
        raise Unreachable(f"the Hub cannot be reached ({one_line(error)})") from None
    except (OSError, RuntimeError) as error:  # cut short, a full disk, or the accelerated transfer gave up
        raise ValueError(f"{source} could not be fetched ({one_line(error)}): try again") from None


def one_line(error: Exception) -> str:
    """What an error says first."""
    return (" ".join(str(error).split()) or type(error).__name__)[:160]
