"""Starts and ends a command: parses flags, loads plugins, reports errors, sets the exit status.

Exit status: 0 success; 1 an error that its message explains; 2 a wrong flag; 130 Ctrl-C.
"""

from __future__ import annotations

import functools
import logging
import math
import os
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import NoReturn

from absl import flags

from t2tlite import buckets, console, libraries, plugins, registry, user_code
from t2tlite.checkpoint import distilled_problem
from t2tlite.cli import bucket_flags, t2t_flags
from t2tlite.devices import cluster, devices
from t2tlite.errors import Error, SampleError
from t2tlite.version import __version__

FLAGS = flags.FLAGS

log = logging.getLogger("t2tlite.cli")


class UsageError(Exception):
    """A flag is missing, or conflicts with another."""


def command(
    main: Callable[..., None], *flag_modules: ModuleType, arguments: int = 0
) -> Callable[[], NoReturn]:
    """Returns the console command for a module's `main`.

    The command parses flags, loads plugins, answers `--help` with the module's docstring,
    `--version` with the package's and `--registry_help` with the registry, or calls `main`; then it
    exits with the status above.

    Args:
      main: does the command's work.
      flag_modules: the modules, besides `main`'s, whose flags `--help` lists.
      arguments: how many words that are no flags the command takes at most; `main` gets them.
    """
    module = sys.modules[main.__module__]
    return functools.partial(_run, main, module.__doc__ or "", [module, *flag_modules], arguments)


def require(*names: str) -> None:
    """Raises UsageError unless all these flags were given."""
    missing = [f"--{name}" for name in names if not FLAGS[name].value]
    if missing:
        raise UsageError(f"{' and '.join(missing)} must be given")


def parse_flags(arguments: int = 0) -> list[str]:
    """Parses the command line and loads the plugins that it names; returns words without a flag.

    Args:
      arguments: how many such words there may be.
    """
    # Parsed twice, as importing a plugin may define flags.
    FLAGS(sys.argv, known_only=True)
    bucket_flags.fetch(FLAGS)
    if "backend" in FLAGS:
        devices.set_backend_variable(use_tpu=FLAGS.use_tpu, backend=FLAGS.backend)
    if "t2t_usr_dir" in FLAGS and FLAGS.t2t_usr_dir:
        plugins.load_usr_dir(FLAGS.t2t_usr_dir)
    # A T2T plugin may parse sys.argv itself, for example with argparse.
    plugin_reads_argv = plugins.read_command_line()
    for name in FLAGS:
        if isinstance(FLAGS[name], flags.MultiFlag):
            # Otherwise it would have each value twice.
            FLAGS[name].present = 0
    rest = FLAGS(sys.argv, known_only=plugin_reads_argv)[1:]
    if rest[arguments:] and not plugin_reads_argv:
        raise UsageError(f"unexpected argument {rest[arguments]!r}; flags are --name=value")
    if not cluster.is_supervised():
        if rest[arguments:]:
            log.info("left to the plugin: %s", " ".join(rest))
        t2t_flags.warn_ignored()
    for name in FLAGS:
        value = FLAGS[name].value
        # absl's bounds let NaN through.
        if isinstance(value, float) and not math.isfinite(value):
            raise UsageError(f"--{name}={value} is not a finite number")
        # The shell doesn't expand the ~ in --output_dir=~/model.
        if name.endswith(("_dir", "_file", "_path")) and isinstance(value, str):
            FLAGS[name].value = os.path.expanduser(value)
        elif name.endswith("_dir") and isinstance(value, list):
            FLAGS[name].value = [os.path.expanduser(one) for one in value]
    bucket_flags.fetch(FLAGS)
    if "data_dir" in FLAGS and FLAGS.data_dir:
        distilled_problem.register_folder(FLAGS.data_dir)
    return rest[:arguments]


def _run(
    main: Callable[..., None], description: str, modules: Sequence[ModuleType], arguments: int
) -> NoReturn:
    name = os.path.basename(sys.argv[0])
    _log_to_stderr()
    try:
        if {"--help", "-h", "-help", "--helpfull"}.intersection(sys.argv[1:]):
            _print_help(description, modules)
        elif "--version" in sys.argv[1:]:
            print(f"{name}: t2tlite {__version__}")
        else:
            words = parse_flags(arguments)
            if "registry_help" in FLAGS and FLAGS.registry_help:
                print(console.hanging(registry.help_string()))
            else:
                with buckets.uploading():
                    main(*words)
        sys.stdout.flush()
        sys.exit(0)
    except (flags.Error, UsageError) as error:
        message, status = f"{error} (--help lists all flags)", 2
    except Error as error:
        message, status = str(error), 1
        if isinstance(error, SampleError) and error.users_traceback:
            message += f"\nTraceback (your code):\n{error.users_traceback}"
    except BrokenPipeError:
        # The reader of the output has exited, as `| head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        # Others are bugs, with their traceback.
        if not plugins.raised(error):
            raise
        message, status = user_code.explained(error), 1
    except KeyboardInterrupt:
        message = "stopped by Ctrl-C; run the same command again to resume or start over"
        status = 130
    print(f"{name}: {buckets.with_urls(message)}", file=sys.stderr)
    sys.exit(status)


def _print_help(description: str, modules: Sequence[ModuleType]) -> None:
    print(description.strip())
    # The flags that most commands have come first: --problem, --data_dir and others.
    shared = [module for module in modules if module.__name__.endswith("shared_flags")]
    own = [module for module in modules if module not in shared]
    several, this = "of several commands", f"of {description.partition(':')[0]}"
    for title, group in ((several, shared), (this, own), ("for URLs", [bucket_flags])):
        texts = [FLAGS.module_help(module).strip().partition("\n")[2] for module in group]
        if any(texts):
            print(f"\nFlags {title}:\n")
            print("\n".join(filter(None, texts)))
    if ignored := t2t_flags.summary():
        print(f"\n{ignored}")


def _log_to_stderr() -> None:
    # For plugins that import TensorFlow.
    libraries.hide_tensorflow_messages()
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter())
    logger = logging.getLogger("t2tlite")
    logger.handlers = [handler]
    logger.setLevel(logging.INFO)
    logger.propagate = False


class _Formatter(logging.Formatter):
    """The message alone; above INFO the level comes before it."""

    def format(self, record: logging.LogRecord) -> str:
        text = buckets.with_urls(super().format(record))
        return text if record.levelno <= logging.INFO else f"{record.levelname.lower()}: {text}"
