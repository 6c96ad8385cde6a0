"""Runs a command: parses flags, loads plugins, turns errors into one line and an exit status.

Exit status: 0 done; 1 an error that the message says how to mend; 2 a wrong flag; 130 Ctrl-C.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import NoReturn

from absl import flags

from t2tlite import plugins
from t2tlite.cli import t2t_flags
from t2tlite.data.samples import users_traceback
from t2tlite.devices import cluster, devices
from t2tlite.errors import Error, SampleError

FLAGS = flags.FLAGS

log = logging.getLogger("t2tlite.cli")


class UsageError(Exception):
    """A flag that is missing, or doesn't go with another."""


def run(
    command: Callable[[], None], description: str | None, modules: Sequence[ModuleType]
) -> NoReturn:
    """Runs `command` and exits.

    Args:
      command: the command's own function.
      description: what `--help` prints first: the module's docstring.
      modules: those whose flags the command has.
    """
    name = os.path.basename(sys.argv[0])
    _log_to_stderr(name)
    try:
        if {"--help", "-h", "-help", "--helpfull"}.intersection(sys.argv[1:]):
            _help(description or "", modules)
        else:
            _parse()
            command()
        sys.stdout.flush()
        status = 0
    except (flags.Error, UsageError) as error:
        status = _say(name, f"{error} (--help lists all flags)", 2)
    except Error as error:
        status = _say(name, str(error), 1)
        if isinstance(error, SampleError) and (shown := users_traceback(error)):
            print(f"Traceback (your code):\n{shown}", file=sys.stderr)
    except KeyboardInterrupt:
        status = _say(name, "stopped by Ctrl-C; the same command starts over or goes on", 130)
    except BrokenPipeError:
        # Whoever read the output has gone, as `| head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    sys.exit(status)


def _parse() -> None:
    """Parses flags, twice: a plugin may define flags of its own while it is imported."""
    FLAGS(sys.argv, known_only=True)
    if "use_tpu" in FLAGS:
        devices.set_backend_variable(use_tpu=FLAGS.use_tpu, backend=FLAGS.backend)
    if "t2t_usr_dir" in FLAGS and FLAGS.t2t_usr_dir:
        plugins.load_usr_dir(FLAGS.t2t_usr_dir)
    # A T2T plugin may read flags of its own from sys.argv, with argparse for one.
    by_plugin = plugins.read_command_line()
    rest = FLAGS(sys.argv, known_only=by_plugin)[1:]
    if rest and not by_plugin:
        raise UsageError(f"unexpected argument {rest[0]!r}; flags are --name=value")
    if not cluster.is_watched():
        if rest:
            log.info("left to the plugin: %s", " ".join(rest))
        t2t_flags.tell_ignored()
    for name in FLAGS:
        value = FLAGS[name].value
        # A shell leaves it to the command in --output_dir=~/model.
        if name.endswith(("_dir", "_file", "_path")) and isinstance(value, str):
            FLAGS[name].value = os.path.expanduser(value)


def _help(description: str, modules: Sequence[ModuleType]) -> None:
    print(description.strip(), "\n")
    for module in modules:
        print(FLAGS.module_help(module))
    if ignored := t2t_flags.summary():
        print(f"\n{ignored}")


def _say(name: str, text: str, status: int) -> int:
    print(f"{name}: {text}", file=sys.stderr)
    return status


def _log_to_stderr(name: str) -> None:
    # TensorFlow's own start-up lines help nobody here.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter())
    logger = logging.getLogger("t2tlite")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


class _Formatter(logging.Formatter):
    """The bare message, with a word in front where it is more than information."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return text if record.levelno <= logging.INFO else f"{record.levelname.lower()}: {text}"


def _refuse_buckets() -> None:
    """Raises UsageError where a folder is an address in a bucket, as T2T took on TPUs."""
    for name in ("data_dir", "output_dir", "tmp_dir"):
        value = str(FLAGS[name].value or "") if name in FLAGS else ""
        _, slashes, rest = value.partition("://")
        if slashes:
            bucket = rest.split("/")[0]
            raise UsageError(
                f"--{name}={value} is an address, and a folder is expected: mount the bucket (for "
                f"gs://: gcsfuse {bucket} /mnt/{bucket}) and give /mnt/{rest}"
            )


def require(*names: str) -> None:
    """Raises UsageError unless all these flags were given."""
    _refuse_buckets()
    missing = [f"--{name}" for name in names if not FLAGS[name].value]
    if missing:
        raise UsageError(f"{' and '.join(missing)} must be given")
