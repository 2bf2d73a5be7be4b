"""Commands `prepare` and `pack`: from pictures on disk to what training reads."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Prepare:
    """Pictures -> memory-mapped arrays. Give exactly one of --celeba, --folder, --synthetic."""

    out: Path
    celeba: Path | None = None
    """Folder in CelebA's own layout (img_align_celeba/, list_attr_celeba.txt, list_eval_partition.txt)."""
    folder: Path | None = None
    """Any folder of pictures, without labels."""
    synthetic: int | None = None
    """This many labelled toy faces drawn by code."""
    size: int = 128
    workers: int = 2

    def run(self) -> None:
        from train.data.prepared import CELEBA_CROP_PX, list_celeba, list_folder, prepare
        from train.data.synthetic import prepare_synthetic

        if sum(x is not None for x in (self.celeba, self.folder, self.synthetic)) != 1:
            raise ValueError("give exactly one of --celeba DIR, --folder DIR, --synthetic N")
        if self.celeba is not None:
            prepare(list_celeba(self.celeba), self.out, self.size, CELEBA_CROP_PX, self.workers)
        elif self.folder is not None:
            prepare(list_folder(self.folder), self.out, self.size, None, self.workers)
        else:
            prepare_synthetic(self.out, self.synthetic, self.size, seed=0)


@dataclass(frozen=True)
class Pack:
    """Pictures -> shards for data larger than a disk: tars of JPEGs and labels. Give exactly one of --celeba, --folder, --data."""

    out: Path
    celeba: Path | None = None
    """Folder in CelebA's own layout."""
    folder: Path | None = None
    """Any folder of pictures, without labels."""
    data: Path | None = None
    """Prepared data, at the size they have."""
    size: int = 128
    per_shard: int = 2000
    workers: int = 2

    def run(self) -> None:
        from train.data.pack import listing_of, pack
        from train.data.prepared import CELEBA_CROP_PX, PreparedData, list_celeba, list_folder, load_square

        if sum(x is not None for x in (self.celeba, self.folder, self.data)) != 1:
            raise ValueError("give exactly one of --celeba DIR, --folder DIR, --data DIR")
        if self.data is not None:
            data = PreparedData(self.data)
            return pack(listing_of(data), lambda i: data.images[i], self.out, data.size, self.per_shard, self.workers)
        listing = list_celeba(self.celeba) if self.celeba is not None else list_folder(self.folder)
        crop = CELEBA_CROP_PX if self.celeba is not None else None
        pack(listing, lambda i: load_square(listing.files[i], self.size, crop), self.out, self.size, self.per_shard, self.workers)
