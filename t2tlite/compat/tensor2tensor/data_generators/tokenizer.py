"""As `tensor2tensor.data_generators.tokenizer`."""

import glob
import itertools
import logging
import sys
from collections import Counter
from collections.abc import Iterator

from t2tlite.plugins.stand_ins import absent_names
from t2tlite.text.tokenizer import decode, encode

_absent = absent_names(__name__)

log = logging.getLogger(__name__)


def __getattr__(name: str) -> object:
    if name == "_ALPHANUMERIC_CHAR_SET":
        # A million characters, which nothing here reads.
        return frozenset(filter(str.isalnum, map(chr, range(sys.maxunicode + 1))))
    return _absent(name)


def corpus_token_counts(
    text_filepattern: str, corpus_max_lines: int, split_on_newlines: bool = True
) -> Counter[str]:
    """Returns how often each word token occurs in files.

    Args:
      text_filepattern: a glob pattern of text files.
      corpus_max_lines: lines to read at most, of all files together; 0: all.
      split_on_newlines: whether to tokenize line by line, without the white space around lines,
        rather than file by file.
    """
    counts: Counter[str] = Counter()
    for lines in _files(text_filepattern, corpus_max_lines):
        if split_on_newlines:
            for line in lines:
                counts.update(encode(line.strip()))
        else:
            counts.update(encode("".join(lines)))
    return counts


def vocab_token_counts(text_filepattern: str, max_lines: int) -> dict[str, int]:
    """Returns the counts of word tokens that files list as `token,count`, one per line.

    Args:
      text_filepattern: a glob pattern of the files.
      max_lines: lines to read at most, of all files together; 0: all.
    """
    counts = {}
    for line in itertools.chain.from_iterable(_files(text_filepattern, max_lines)):
        token, comma, count = line.strip().rpartition(",")
        if comma:
            counts[token] = int(count)
        else:
            log.warning("%r in %s isn't token,count; it is left out", line, text_filepattern)
    return counts


def _files(pattern: str, max_lines: int) -> Iterator[Iterator[str]]:
    """Yields the lines of each file, with their line ends."""
    lines_left = iter(range(max_lines or sys.maxsize))
    for name in sorted(glob.glob(pattern)):
        with open(name, encoding="utf-8-sig", newline="\n") as file:
            # The file first: zip takes one more from it than there are numbers.
            yield (line for line, _ in zip(file, lines_left, strict=False))
