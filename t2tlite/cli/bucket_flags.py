"""Flags that name files and folders may have URLs: the command gets the paths of local copies."""

from __future__ import annotations

import os

from absl import flags

from t2tlite import buckets

flags.DEFINE_string("cache_dir", "", "Folder of the local copies of URLs: gs://, s3://, https://.")
flags.DEFINE_float(
    "cache_gb", 0.0, "Gigabytes of these copies; 0: up to nine tenths of the free disk.", 0.0, 1e9
)


def fetch(values: flags.FlagValues) -> None:
    """Puts the paths of local copies in place of the URLs of all flags.

    Args:
      values: the parsed flags.

    Raises:
      DataError: a URL can't be used, or its bucket not be reached.
    """
    # Variables, for processes that this command starts.
    if "cache_dir" in values and values.cache_dir:
        os.environ[buckets.DIR_VARIABLE] = os.path.abspath(os.path.expanduser(values.cache_dir))
    if "cache_gb" in values and values.cache_gb:
        os.environ[buckets.GB_VARIABLE] = str(values.cache_gb)
    for name in (*buckets.FOLDERS, *buckets.FILES, *buckets.EITHER):
        if name in values:
            values[name].value = buckets.local(name, values[name].value)
