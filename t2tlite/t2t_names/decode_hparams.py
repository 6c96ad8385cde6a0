"""T2T's decode hparams that `DecodeHParams` has no field for, and why."""

from __future__ import annotations

from t2tlite.assignments import parse_like
from t2tlite.errors import HParamsError
from t2tlite.t2t_names.hparams import T2TOnly

_SHARDS = "splits the work over machines; split the input file"
_IMAGES = "is for images and video"
_MLPERF = "writes the log lines of a benchmark"
_UNREAD = "is not read by any of T2T's Transformers"
_INSERTION = "belongs to models that insert or guess several tokens"

T2T_ONLY: dict[str, T2TOnly] = {
    "block_size": T2TOnly(0, _INSERTION),
    "border_percent": T2TOnly(2, _IMAGES, harmless=True),
    "decode_reference": T2TOnly("", "is the flag --decode_reference here"),
    "decode_timeout_mins": T2TOnly(240, "waits for checkpoints", harmless=True),
    "decode_to_file": T2TOnly("", "is the flag --decode_to_file here"),
    "display_decoded_images": T2TOnly(False, _IMAGES, harmless=True),
    "eos_penalty": T2TOnly(0.0, _UNREAD, harmless=True),
    "export_extra_infer_outputs": T2TOnly("", "writes tensors of a TF1 graph"),
    "frames_per_second": T2TOnly(10, _IMAGES, harmless=True),
    "guess_and_check_epsilon": T2TOnly(-1, _INSERTION),
    "guess_and_check_top_k": T2TOnly(0, _INSERTION),
    "identity_output": T2TOnly(False, "writes ids in place of text; Decoder.n_best returns both"),
    "insertion_parallel": T2TOnly(False, _INSERTION),
    "log_results": T2TOnly(True, "prints every decoded line; read the output file", harmless=True),
    "max_display_decodes": T2TOnly(5, _IMAGES, harmless=True),
    "max_display_outputs": T2TOnly(10, _IMAGES, harmless=True),
    "min_length_ratio": T2TOnly(0.0, _UNREAD, harmless=True),
    "mlperf_decode_step": T2TOnly(0.0, _MLPERF, harmless=True),
    "mlperf_success": T2TOnly(False, _MLPERF, harmless=True),
    "mlperf_threshold": T2TOnly(25.0, _MLPERF, harmless=True),
    "multiproblem_task_id": T2TOnly(-1, "belongs to multi-problem training"),
    "num_decodes": T2TOnly(1, "repeats decoding; run again with another random_seed"),
    "save_images": T2TOnly(False, _IMAGES, harmless=True),
    "shard_google_format": T2TOnly(False, _SHARDS),
    "shard_id": T2TOnly(0, _SHARDS),
    "shards": T2TOnly(1, _SHARDS),
    "shards_start_offset": T2TOnly(0, _SHARDS),
    "skip_eos_postprocess": T2TOnly(False, "keeps what follows EOS"),
    "summaries_log_dir": T2TOnly("decode", "names a folder of TF1 summaries", harmless=True),
    "vgg_ckpt_path": T2TOnly("", _IMAGES, harmless=True),
}


def assign(name: str, text: str) -> None:
    """Accepts T2T's default silently, and other values of a harmless decode hparam with a warning.

    Raises:
      HParamsError: the value would change answers.
    """
    hparam = T2T_ONLY[name]
    try:
        value = parse_like(name, text, hparam.default)
    except HParamsError:
        value = text
    hparam.assign("decode hparam", name, value)
