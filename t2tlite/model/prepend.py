"""One sequence of inputs, a separator and targets, for a decoder without an encoder.

The hparam prepend_mode selects it, as in T2T. The separator is a padding id. In training a row of
"targets" holds the whole sequence; otherwise inputs and targets come apart, and are joined here.

Shapes: as in `t2tlite.model.layers`; S = L + 1 + T positions of a joined sequence, P = L + 1.
"""

from keras import ops

from t2tlite.config import PAD_ID
from t2tlite.errors import HParamsError
from t2tlite.model.kv_cache import KVCache, PrefixCache, room
from t2tlite.model.layers import causal_bias, mask_bias


def check(hparams, vocab_size):
    """Checks that a problem's inputs and targets can be joined.

    Args:
      vocab_size: by feature.

    Raises:
      HParamsError: it has no inputs, or ids that the targets don't have.
    """
    mode = f"prepend_mode={hparams.prepend_mode}"
    if "inputs" not in vocab_size:
        raise HParamsError(
            f"{mode} needs a problem with inputs, and this one has none; leave it out"
        )
    if vocab_size["inputs"] > vocab_size["targets"]:
        raise HParamsError(
            f"{mode} needs one vocabulary, but the inputs have {vocab_size['inputs']} ids and the "
            f"targets {vocab_size['targets']}; leave it out"
        )


def join(inputs_BL, targets_BT):
    """Joins inputs and targets, whose padding is at the end.

    Returns:
      The sequences, int32 [B, S], and the positions of the targets in them, int32 [B, T].
    """
    length, steps = ops.shape(inputs_BL)[1], ops.shape(targets_BT)[1]
    first_B1 = _sizes(inputs_BL)[:, None] + 1
    steps_BS = ops.arange(length + 1 + steps)[None] - first_B1
    padded_BT1 = ops.pad(targets_BT, [[0, 0], [0, 1]])
    # Before the first and after the last target, the step that reads padding.
    is_step_BS = (steps_BS >= 0) & (steps_BS < steps)
    joined_BS = ops.take_along_axis(padded_BT1, ops.where(is_step_BS, steps_BS, steps), axis=1)
    # The targets begin behind the inputs, so that in each position one of both is padding.
    zeros_BP = ops.zeros_like(joined_BS)[:, length:]
    joined_BS = joined_BS + ops.concatenate([inputs_BL, zeros_BP], axis=1)
    return joined_BS, first_B1 + ops.arange(steps)[None]


def follows_separator(features):
    """Returns which positions come after the separator, and so belong to the targets: bool [B, S].

    Args:
      features: "targets" [B, S], joined, and "targets_position" [B, S] of packed rows.
    """
    joined_BS = features["targets"]
    is_separator_BS = ops.cast(ops.equal(joined_BS, PAD_ID), "int32")
    before_BS = ops.cumsum(is_separator_BS, axis=1) - is_separator_BS
    if "targets_position" in features:
        # Those before the segment of a packed row don't count.
        starts_BS = ops.arange(ops.shape(joined_BS)[1])[None] - features["targets_position"]
        before_BS = before_BS - ops.take_along_axis(before_BS, starts_BS, axis=1)
    return before_BS > 0


def full_bias(features):
    """Returns the bias [B, 1, S, S] with which inputs and separator see each other.

    A target sees them and the targets before it. In a packed row, segments aren't masked.

    Args:
      features: as in `follows_separator`.
    """
    is_target_BS = follows_separator(features)
    order_BS = ops.where(is_target_BS, ops.arange(ops.shape(is_target_BS)[1])[None], 0)
    return mask_bias(order_BS[:, None, :] > order_BS[:, :, None])[:, None]


def prefix(inputs_BL):
    """Returns what a decoder reads before the separator: a zero vector, then the inputs.

    Rows end together, so that the distance between a target and an input is that in the cache.

    Returns:
      ids_BP, int32, 0 for the zero vector; positions_BP, int32, from 0 in each row; padding_B,
      int32, the number of columns before a row begins.
    """
    padding_B = ops.shape(inputs_BL)[1] - _sizes(inputs_BL)
    shifted_BP = ops.pad(inputs_BL, [[0, 0], [1, 0]])
    columns_P = ops.arange(ops.shape(shifted_BP)[1])
    positions_BP = ops.maximum(columns_P[None] - padding_B[:, None], 0)
    return ops.take_along_axis(shifted_BP, positions_BP, axis=1), positions_BP, padding_B


def start(network, inputs_NL, max_steps):
    """Runs a Transformer's decoder on the inputs; arguments and results as `Transformer.start`."""
    ids_NP, positions_NP, padding_N = prefix(inputs_NL)
    columns = ops.shape(ids_NP)[1]
    bias = padding_bias(padding_N, columns)
    if not network.sees_inputs:
        bias = ops.minimum(bias, causal_bias(columns))
    x_NPD = network.add_positions(network.target_embedding(ids_NP), positions_NP)
    prefix_cache = PrefixCache(room(max_steps, inputs_NL))
    network.decoder(x_NPD, bias, positions_NP, kv_cache=prefix_cache)
    return {"inputs": inputs_NL}, prefix_cache.cache


def place(cache, position, inputs_NL):
    """Returns where a step of decoding is, behind the inputs that `start` read.

    Args:
      cache: tensors of a `KVCache`, with the prefix's keys and values.
      position: of the target in the answer, scalar int32.
      inputs_NL: as given to `start`.

    Returns:
      The `KVCache`; the bias [N, 1, 1, columns] that masks what a row doesn't have yet or at all;
      the position of the target in the row's sequence, [N, 1].
    """
    column = position + ops.shape(inputs_NL)[1] + 1
    kv_cache = KVCache(cache, column)
    padding_N = ops.shape(inputs_NL)[1] - _sizes(inputs_NL)
    bias = ops.minimum(kv_cache.future_bias(), padding_bias(padding_N, kv_cache.columns))
    return kv_cache, bias, (column - padding_N)[:, None]


def padding_bias(padding_B, columns):
    """Returns the bias [B, 1, 1, columns] that masks the first `padding_B` columns of each row."""
    return mask_bias(ops.arange(columns)[None] < padding_B[:, None])[:, None, None, :]


def _sizes(ids_BL):
    """Returns the numbers of tokens, int32 [B]."""
    return ops.sum(ops.cast(ops.not_equal(ids_BL, PAD_ID), "int32"), axis=1)
