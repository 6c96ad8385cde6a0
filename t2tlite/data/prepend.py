"""Examples whose inputs and targets are one sequence, for the hparam prepend_mode."""

from __future__ import annotations

from typing import Any

from t2tlite.config import PAD_ID, HParams


def join_examples(examples: Any, hparams: HParams) -> Any:
    """Puts the inputs and a separator, which is padding, before the targets, as T2T does.

    Args:
      examples: a tf.data.Dataset of dicts of int32 [length].
      hparams: reads max_target_seq_length, which limits the whole sequence.

    Returns:
      A dataset of dicts of int32 [length] without "inputs".
    """
    import tensorflow as tf

    limit = hparams.max_target_seq_length or None

    def join(example: dict[str, Any]) -> dict[str, Any]:
        parts = [example["inputs"], [PAD_ID], example["targets"]]
        return {"targets": tf.concat(parts, axis=0)[:limit]}

    return examples.map(join, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
