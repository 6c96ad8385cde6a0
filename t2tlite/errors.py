"""Exceptions for what a user can cause.

Every command prints an `Error` as one line and exits with status 1; any other exception is a bug
and keeps its traceback. A message says what was found, what was expected and what to do.
"""


class Error(Exception):
    """Base of all errors that a user can cause and fix.

    The message is one line: unprintable characters, which a quoted file may contain, are escaped.
    """

    def __str__(self) -> str:
        # Not super's, because KeyError's puts quotes around the sentence.
        message = Exception.__str__(self)
        return "".join(char if char.isprintable() else repr(char)[1:-1] for char in message)

    def _render_traceback_(self) -> list[str]:
        """Returns the lines that a notebook shows in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class UnknownNameError(Error, KeyError):
    """A name that isn't registered; the message suggests close names."""


class DuplicateNameError(Error, KeyError):
    """A second registration of a name; the message names both places."""


class PluginError(Error):
    """A plugin folder or module that can't be found or imported; may end in its traceback."""

    __str__ = Exception.__str__


class ReturnTypeError(PluginError, TypeError):
    """A plugin's function that returned something else than it must; a TypeError as in T2T."""


class HParamsError(Error, ValueError):
    """An hparam that doesn't exist, doesn't parse or doesn't fit the others."""


class VocabularyError(Error):
    """A vocabulary file that is missing, damaged or not the model's."""


class DataError(Error):
    """Data on disk that is missing, truncated or not what the problem declares."""


class SampleError(DataError):
    """A sample from a plugin that can't be used; names problem, hook and sample number."""

    # The traceback of the plugin's code as text; unlike __cause__, it gets to other processes.
    users_traceback = ""

    def _render_traceback_(self) -> list[str]:
        return [*super()._render_traceback_(), *self.users_traceback.splitlines()]


class DownloadError(Error):
    """A download that failed, or whose checksum is wrong."""


class CheckpointError(Error):
    """A checkpoint that is missing, damaged or of another model."""


class DeviceError(Error):
    """A device that isn't available."""


class WorkerError(DeviceError):
    """Another machine of the same training went away; all machines must start again."""


class ServingError(Error):
    """A server that can't start, can't be reached or refuses a request."""


class OutputError(Error):
    """A file or folder that can't be written: full disk, read-only or no permission."""
