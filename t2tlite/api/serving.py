"""`serve`: t2t-server as a function."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from typing import Any

from t2tlite.api.arguments import PathLike, checked, device, load_decoder
from t2tlite.checkpoint import run_record
from t2tlite.decode.decode_hparams import DecodeHParams
from t2tlite.decode.decoder import Decoder
from t2tlite.files import folder_path
from t2tlite.serving import server as http_server
from t2tlite.serving.limits import Limits, Options, check_hosts
from t2tlite.serving.server import Server


@checked
def serve(
    output_dir: PathLike | Decoder, host: str = "127.0.0.1", port: int = 8501, *,
    servable_name: str = "", allowed_hosts: str | Collection[str] = (), background: bool = False,
    checkpoint_path: PathLike | int = "",
    decode_hparams: str | Mapping[str, Any] | DecodeHParams = "",
    t2t_usr_dir: PathLike | Sequence[PathLike] = "", max_body_bytes: int = 2**20,
    max_instances: int = 256, max_line_length: int = 1000, max_beam_size: int = 16,
    max_extra_length: int = 256,
    max_queue: int = 1024, max_batch_size: int = 64, batch_timeout_ms: float = 5.0,
    timeout_secs: float = 60.0, stop_secs: float = 20.0, use_tpu: bool = False,
    backend: str = "", worker_gpu: int = 1, worker_gpu_memory_fraction: float = 0.95,
    model_parallel: int = 1, watch: bool = False, allow_reload: bool = False,
    access_log: bool = False, page_texts: PathLike = "", engine: str = "auto",
) -> Server:  # fmt: skip
    """Serves a model over HTTP, with TensorFlow Serving's REST interface and a web page.

    >>> with serve("model", port=0, background=True) as server:
    ...     print(server.name, server.url.rpartition(":")[0])
    reverse_digits http://127.0.0.1

    The keywords have the names, meanings and defaults of t2t-server's flags.

    Args:
      output_dir: the model folder, or a loaded Decoder.
      host, port: where to listen; port 0: any free port.
      servable_name: the model's name in URLs; by default the problem's.
      background: serve in a thread, and return at once; the caller stops the server. Otherwise
        this serves until Ctrl-C (an interrupted kernel) or SIGTERM.
      decode_hparams: how to decode, as for `Decoder`.

    Returns:
      The server, with its `url`; `stop()` ends it, as the end of a `with` block does.

    Raises:
      ServingError: the address can't be used, or the extra `serve` isn't installed.
      Error: the model can't be loaded.
    """
    flags = dict(locals())
    limits = Limits(**{field.name: flags[field.name] for field in fields(Limits)}).check()
    options = Options(**{field.name: flags[field.name] for field in fields(Options)})
    options.check(checkpoint_path)
    if isinstance(allowed_hosts, str):
        allowed_hosts = [host for host in allowed_hosts.split(",") if host]
    check_hosts(allowed_hosts)
    if not isinstance(output_dir, Decoder):
        run_record.read(folder_path(output_dir, "output_dir"))

    def load() -> Decoder:
        on = None if isinstance(output_dir, Decoder) else device(flags)
        return load_decoder(output_dir, checkpoint_path, decode_hparams, t2t_usr_dir, on, engine)

    server = Server(
        load, servable_name, (host, port), limits, allowed_hosts, str(checkpoint_path), options
    )
    if background:
        return server.start()
    http_server.serve(server)
    return server
