"""T2T's decode hparams that `DecodeHParams` has no field for, and why."""

from __future__ import annotations

from t2tlite.assignments import parse_like
from t2tlite.errors import HParamsError
from t2tlite.t2t_names.hparams import T2TOnly, ignored, refused

_SHARDS = "splits the work over machines; split the input file"
_IMAGES = "is for images and video"
_MLPERF = "writes the log lines of a benchmark"
_INSERTION = "belongs to models that insert or guess several tokens"

T2T_ONLY: dict[str, T2TOnly] = {
    **refused(_INSERTION, block_size=0, guess_and_check_epsilon=-1, guess_and_check_top_k=0),
    **refused(_INSERTION, insertion_parallel=False),
    **refused("is the flag --decode_reference here", decode_reference=""),
    **refused("is the flag --decode_to_file here", decode_to_file=""),
    **refused("writes tensors of a TF1 graph", export_extra_infer_outputs=""),
    **refused("writes ids in place of text; Decoder.n_best returns both", identity_output=False),
    **refused("belongs to multi-problem training", multiproblem_task_id=-1),
    **refused("repeats decoding; run again with another random_seed", num_decodes=1),
    **refused(_SHARDS, shard_google_format=False, shard_id=0, shards=1, shards_start_offset=0),
    **refused("keeps what follows EOS", skip_eos_postprocess=False),
    **ignored(_IMAGES, border_percent=2, display_decoded_images=False, frames_per_second=10),
    **ignored(_IMAGES, max_display_decodes=5, max_display_outputs=10, save_images=False),
    **ignored(_IMAGES, vgg_ckpt_path=""),
    **ignored("waits for checkpoints", decode_timeout_mins=240),
    **ignored("is not read by any of T2T's Transformers", eos_penalty=0.0, min_length_ratio=0.0),
    **ignored("prints every decoded line; read the output file", log_results=True),
    **ignored(_MLPERF, mlperf_decode_step=0.0, mlperf_success=False, mlperf_threshold=25.0),
    **ignored("names a folder of TF1 summaries", summaries_log_dir="decode"),
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
