"""Assigns weights and optimizer state of a T2T checkpoint to a model."""

from __future__ import annotations

import re
from typing import Any

from t2tlite.errors import CheckpointError
from t2tlite.t2t_import.tf1_checkpoint import Checkpoint, Shape

# Names of layers here -> T2T's.
_EMBEDDINGS = {
    "input_embedding": "input_emb",
    "target_embedding": "target_emb",
    "softmax": "softmax",
}
_SUBLAYERS = {
    "self_attention": "self_attention",
    "cross_attention": "encdec_attention",
    "feed_forward": "ffn",
}
_LAYERS = {
    "query": "multihead_attention/q",
    "key": "multihead_attention/k",
    "value": "multihead_attention/v",
    "output": "multihead_attention/output_transform",
    "inner": "conv1",
    "outer": "conv2",
}
_RELATIVE = "multihead_attention/dot_product_attention_relative/relative_positions"
_TABLES = {
    "relative_keys": f"{_RELATIVE}_keys/embeddings",
    "relative_values": f"{_RELATIVE}_values/embeddings",
}
_PROCESSES = {"preprocess": "layer_prepostprocess", "postprocess": "layer_postprocess"}
_NORM = {"gamma": "layer_norm/layer_norm_scale", "beta": "layer_norm/layer_norm_bias"}


def t2t_name(path: str, shape: Shape, shared: bool) -> str:
    """Returns T2T's name of a weight within the model's scope.

    That of an embedding ends in "weights_", which the number of a shard follows.

    Args:
      path: Keras path of the weight.
      shape: of the weight.
      shared: the hparam shared_embedding_and_softmax_weights.
    """
    _, *parts = path.split("/")
    if parts[0] in _EMBEDDINGS:
        leaf = "shared" if shared else _EMBEDDINGS[parts[0]]
        return f"symbol_modality_{shape[0]}_{shape[1]}/{leaf}/weights_"
    if parts[0] == "target_space":
        return "body/target_space_embedding/kernel"
    stack, layer, *rest = parts
    if layer == "finish":
        return f"body/{stack}/layer_prepostprocess/{_NORM[rest[-1]]}"
    sublayer, *inner = rest
    scope = f"body/{stack}/{layer}"
    for ending, process in _PROCESSES.items():
        if sublayer.endswith(f"_{ending}"):
            parent = _SUBLAYERS[sublayer.removesuffix(f"_{ending}")]
            return f"{scope}/{parent}/{process}/{_NORM[inner[-1]]}"
    if inner[0] in _TABLES:
        return f"{scope}/{_SUBLAYERS[sublayer]}/{_TABLES[inner[0]]}"
    return f"{scope}/{_SUBLAYERS[sublayer]}/{_LAYERS[inner[0]]}/{inner[1]}"


def take_weights(network: Any, checkpoint: Checkpoint) -> None:
    """Assigns all weights of a built `Transformer` or `TransformerEncoder` from a checkpoint.

    Raises:
      CheckpointError: the checkpoint is damaged, or of another model or vocabulary.
    """
    names = _names(network, checkpoint)
    _check_vocabularies(names, checkpoint)
    missing, values = [], []
    for weight in network.weights:
        parts, expected = checkpoint.parts(names[weight.path]), tuple(weight.shape)
        if not parts:
            missing.append(f"{checkpoint.scope}/{names[weight.path]}")
        elif checkpoint.size(parts) != expected:
            raise CheckpointError(
                f"{checkpoint.prefix}: {parts[0]} has shape {list(checkpoint.size(parts))}, the "
                f"model needs {list(expected)}; check --hparams_set, --hparams and the vocabulary"
            )
        else:
            values.append((weight, checkpoint.join(parts)))
    unknown = checkpoint.unread_weights()
    problems = [f"lacks {_first_of(missing)}"] if missing else []
    problems += [f"has {_first_of(unknown)}, unknown here"] if unknown else []
    if problems:
        raise CheckpointError(
            f"{checkpoint.prefix} is of another model: it {' and it '.join(problems)}; check "
            f"--model, --hparams_set and --hparams"
        )
    for weight, value in values:
        weight.assign(value)


def take_optimizer(network: Any, optimizer: Any, checkpoint: Checkpoint) -> str:
    """Assigns the step, and Adam's moments if the checkpoint has them.

    Args:
      network: a model with the checkpoint's weights.
      optimizer: built on the network's trainable variables.
      checkpoint: T2T's.

    Returns:
      Why the moments aren't imported; "" if they are.
    """
    optimizer._iterations.assign(checkpoint.step)
    if optimizer.use_ema:
        pairs = zip(
            optimizer._model_variables_moving_average, network.trainable_variables, strict=True
        )
        for average, variable in pairs:
            average.assign(variable)
    if optimizer.name != "adam":
        return f"only Adam's are imported, not those of {optimizer.name}"
    kinds = ["_momentums", "_velocities"]
    if optimizer.gradient_accumulation_steps:
        kinds.append("_accumulated_gradients")
    names = _names(network, checkpoint)
    slots = []
    for i, variable in enumerate(network.trainable_variables):
        name = names[variable.path]
        for kind in kinds:
            parts = checkpoint.slot_parts(name, kind)
            if len(parts) < len(checkpoint.parts(name)):
                return f"the checkpoint has no {kind.strip('_').replace('_', ' ')} of {name}"
            slots.append((getattr(optimizer, kind)[i], parts))
    for slot, parts in slots:
        slot.assign(checkpoint.join(parts))
    if batches := optimizer.gradient_accumulation_steps:
        # T2T doesn't count the tokens of the batches whose gradients it has accumulated.
        optimizer.accumulated_tokens.assign(-(checkpoint.step % batches))
    return ""


def _names(network: Any, checkpoint: Checkpoint) -> dict[str, str]:
    """Returns T2T's names of a network's weights by Keras path."""
    shared = network.hparams.shared_embedding_and_softmax_weights
    names = {}
    for weight in network.weights:
        parts = weight.path.split("/")
        if parts[1] == "classes":
            names[weight.path] = _class_label_name(parts[-1], network, checkpoint)
        else:
            names[weight.path] = t2t_name(weight.path, tuple(weight.shape), shared)
    return names


def _class_label_name(leaf: str, network: Any, checkpoint: Checkpoint) -> str:
    name = f"class_label_modality_{network.vocab_size['targets']}_{network.hparams.hidden_size}"
    # T2T opens the scope of the modality twice, some versions only once.
    once = f"{name}/dense/{leaf}"
    return once if checkpoint.parts(once) else f"{name}/{once}"


def _check_vocabularies(names: dict[str, str], checkpoint: Checkpoint) -> None:
    for name in names.values():
        expected = re.match(r"symbol_modality_(\d+)_(\d+)(/\w+/weights_)$", name)
        if not expected or checkpoint.parts(name):
            continue
        same_width = re.compile(
            rf"{re.escape(checkpoint.scope)}/symbol_modality_(\d+)_{expected[2]}{expected[3]}0$"
        )
        sizes = sorted({match[1] for match in map(same_width.match, checkpoint.shapes) if match})
        if sizes:
            raise CheckpointError(
                f"{checkpoint.prefix} was trained with a vocabulary of {' and '.join(sizes)} "
                f"entries, the problem's has {expected[1]}; give the --data_dir of that training, "
                f"or set vocab_divisor"
            )


def _first_of(names: list[str]) -> str:
    return f"{names[0]} and {len(names) - 1} more" if len(names) > 1 else names[0]
