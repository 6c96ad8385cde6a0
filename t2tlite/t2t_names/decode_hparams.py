"""T2T's decode hparams that t2tlite knows by name but does without, and why.

With T2T's default they change nothing; any other value is told in one warning line if the answers
stay the same (`harmless`), and is an error if they wouldn't.
"""

from __future__ import annotations

import logging

from t2tlite.errors import HParamsError
from t2tlite.t2t_names.hparams import Foreign

log = logging.getLogger(__name__)

_SHARDS = "split the work over machines; split the input file"
_IMAGES = "is for images and video"
_MLPERF = "wrote the log lines of a benchmark"
_UNREAD = "is read by no Transformer of T2T's"
_INSERTION = "belongs to models that insert or guess several tokens, which are not part of t2tlite"

FOREIGN: dict[str, Foreign] = {
    "block_size": Foreign(0, _INSERTION),
    "border_percent": Foreign(2, _IMAGES, harmless=True),
    "decode_reference": Foreign("", "is the flag --decode_reference here"),
    "decode_timeout_mins": Foreign(240, "waited for checkpoints", harmless=True),
    "decode_to_file": Foreign("", "is the flag --decode_to_file here"),
    "display_decoded_images": Foreign(False, _IMAGES, harmless=True),
    "eos_penalty": Foreign(0.0, _UNREAD, harmless=True),
    "export_extra_infer_outputs": Foreign("", "wrote tensors of a TF1 graph"),
    "frames_per_second": Foreign(10, _IMAGES, harmless=True),
    "guess_and_check_epsilon": Foreign(-1, _INSERTION),
    "guess_and_check_top_k": Foreign(0, _INSERTION),
    "identity_output": Foreign(False, "wrote ids in place of text; Decoder.n_best gives both"),
    "insertion_parallel": Foreign(False, _INSERTION),
    "log_results": Foreign(True, "printed every decoded line; read the output file", harmless=True),
    "max_display_decodes": Foreign(5, _IMAGES, harmless=True),
    "max_display_outputs": Foreign(10, _IMAGES, harmless=True),
    "min_length_ratio": Foreign(0.0, _UNREAD, harmless=True),
    "mlperf_decode_step": Foreign(0.0, _MLPERF, harmless=True),
    "mlperf_success": Foreign(False, _MLPERF, harmless=True),
    "mlperf_threshold": Foreign(25.0, _MLPERF, harmless=True),
    "multiproblem_task_id": Foreign(
        -1, "belongs to multi-problem training, which is not part of t2tlite"
    ),
    "num_decodes": Foreign(1, "repeated the decoding; run again with another random_seed"),
    "save_images": Foreign(False, _IMAGES, harmless=True),
    "shard_google_format": Foreign(False, _SHARDS),
    "shard_id": Foreign(0, _SHARDS),
    "shards": Foreign(1, _SHARDS),
    "shards_start_offset": Foreign(0, _SHARDS),
    "skip_eos_postprocess": Foreign(False, "kept what follows EOS; not built here"),
    "summaries_log_dir": Foreign("decode", "named a folder of TF1 summaries", harmless=True),
    "vgg_ckpt_path": Foreign("", _IMAGES, harmless=True),
}


def tell(name: str, text: str) -> None:
    """Takes an assignment to one of them.

    Raises:
      HParamsError: answers would be others than T2T's.
    """
    foreign = FOREIGN[name]
    default = foreign.default
    if isinstance(default, bool):
        same = text.lower() in (("true", "1") if default else ("false", "0"))
    elif isinstance(default, str):
        same = text == default
    else:
        try:
            same = float(text) == default
        except ValueError:
            same = False
    if same:
        return
    if not foreign.harmless:
        raise HParamsError(f"decode hparam {name}={text} can't be had: it {foreign.reason}")
    log.warning("decode hparam %s is ignored: it %s", name, foreign.reason)
