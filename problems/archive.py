"""Files of published data sets, from archives that are downloaded and unpacked if they must be."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from t2tlite import download
from t2tlite.errors import DataError, DownloadError


def obtain(tmp_dir: str | os.PathLike[str], url: str, names: Sequence[str]) -> list[Path]:
    """Returns files or folders in `tmp_dir`; those that exist there need no archive.

    Args:
      tmp_dir: where they are looked for, downloaded and unpacked.
      url: of the archive that has them.
      names: their paths inside the archive, which are also those in `tmp_dir`.

    Raises:
      DownloadError: the archive can't be downloaded or unpacked.
      DataError: the archive lacks one of them.
    """
    folder = Path(tmp_dir).expanduser()
    paths = [folder / name for name in names]
    if not all(path.exists() for path in paths):
        missing = " and ".join(name for name in names if not (folder / name).exists())
        try:
            archive = download.maybe_download(folder, os.path.basename(url), url)
        except DownloadError as error:
            raise DownloadError(f"{error} (or put {missing} into {folder})") from error
        download.unpack(archive, folder)
        if missing := " and ".join(name for name in names if not (folder / name).exists()):
            raise DataError(f"{archive} holds no {missing}; delete it and get it again from {url}")
    return paths
