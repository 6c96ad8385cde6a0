"""Reads the weights of a T2T TF1 checkpoint into a Transformer of ours, for comparisons."""

import numpy as np


def load_t2t_weights(model, folder):
    """Assigns every weight of `model` from T2T's checkpoint in `folder`.

    Raises:
      KeyError: T2T's checkpoint lacks a weight; AssertionError: one of its weights has no place.
    """
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(folder))
    names = [
        name
        for name in reader.get_variable_to_shape_map()
        if name.startswith("transformer/") and not name.endswith(("/Adam", "/Adam_1"))
    ]
    used = set()

    def get(name):
        used.add(name)
        return reader.get_tensor(name)

    shards = sorted(
        (name for name in names if "/shared/weights_" in name),
        key=lambda name: int(name.rsplit("_", 1)[1]),
    )
    embedding = np.concatenate([get(name) for name in shards])
    for weight in model.weights:
        if weight.path.endswith("target_embedding/embedding"):
            weight.assign(embedding)
        elif "target_space" in weight.path:
            weight.assign(get("transformer/body/target_space_embedding/kernel"))
        else:
            weight.assign(get(_t2t_name(weight.path)))
    assert set(names) == used, sorted(set(names) - used)


def _t2t_name(path):
    parts = path.split("/")[parts_start(path) :]
    stack, layer, sublayer, *rest = parts
    scope = f"transformer/body/{stack}"
    norm = {"gamma": "layer_norm_scale", "beta": "layer_norm_bias"}
    if layer == "finish":
        return f"{scope}/layer_prepostprocess/layer_norm/{norm[rest[-1]]}"
    scope = f"{scope}/{layer}"
    if sublayer.endswith("_preprocess"):
        where = _sublayer(sublayer.removesuffix("_preprocess"), stack)
        return f"{scope}/{where}/layer_prepostprocess/layer_norm/{norm[rest[-1]]}"
    where = _sublayer(sublayer, stack)
    if sublayer == "feed_forward":
        return f"{scope}/{where}/{ {'inner': 'conv1', 'outer': 'conv2'}[rest[0]] }/{rest[1]}"
    short = {"query": "q", "key": "k", "value": "v", "output": "output_transform"}[rest[0]]
    return f"{scope}/{where}/multihead_attention/{short}/kernel"


def parts_start(path):
    """Index of the stack's name in a weight's path."""
    parts = path.split("/")
    return next(i for i, part in enumerate(parts) if part in ("encoder", "decoder"))


def _sublayer(name, stack):
    return {
        "self_attention": "self_attention",
        "cross_attention": "encdec_attention",
        "feed_forward": "ffn",
    }[name]
