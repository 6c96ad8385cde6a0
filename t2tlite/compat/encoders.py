"""T2T's base encoder, which plugins subclass and T2T's Problem uses by default."""

from collections.abc import Sequence

from t2tlite import text


class TextEncoder(text.TextEncoder):
    """Encodes numbers in a text as ids, offset by the number of reserved ids."""

    @property
    def vocab_size(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} has no vocab_size")

    def encode(self, s: str) -> list[int]:
        return [int(word) + self.num_reserved_ids for word in s.split()]

    def decode(self, ids: Sequence[int], strip_extraneous: bool = False) -> str:
        return " ".join(self.decode_list(self._stripped(ids, strip_extraneous)))
