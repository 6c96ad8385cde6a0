"""T2T's base encoder, which plugins subclass and T2T's Problem uses by default."""

from collections.abc import Sequence

from t2tlite.text import NUM_RESERVED_TOKENS, RESERVED_TOKENS, strip_ids


class TextEncoder:
    """Encodes numbers in a text as ids, offset by the number of reserved ids."""

    def __init__(self, num_reserved_ids: int = NUM_RESERVED_TOKENS) -> None:
        self._num_reserved_ids = num_reserved_ids

    @property
    def num_reserved_ids(self) -> int:
        """The number of reserved ids, the lowest ones."""
        return self._num_reserved_ids

    @property
    def vocab_size(self) -> int:
        """The number of ids."""
        raise NotImplementedError(f"{type(self).__name__} has no vocab_size")

    def encode(self, s: str) -> list[int]:
        """Returns the ids of a text."""
        return [int(word) + self._num_reserved_ids for word in s.split()]

    def decode(self, ids: Sequence[int], strip_extraneous: bool = False) -> str:
        """Returns the text of ids."""
        if strip_extraneous:
            ids = strip_ids(ids, range(self._num_reserved_ids))
        return " ".join(self.decode_list(ids))

    def decode_list(self, ids: Sequence[int]) -> list[str]:
        """Returns one string for each id."""
        return [
            RESERVED_TOKENS[id_] if id_ < NUM_RESERVED_TOKENS else str(id_ - self._num_reserved_ids)
            for id_ in map(int, ids)
        ]
