"""What can go wrong by a user's doing, as a tree of exceptions.

Every command prints an `Error` as one line and exits with status 1; any other exception is a bug
and keeps its traceback. A message says what was found, what was expected and what to do.

    Error
    ├── UnknownNameError   a problem, model or hparams set that nobody registered (also a KeyError)
    ├── DuplicateNameError two registrations under one name
    ├── PluginError        a --t2t_usr_dir that can't be found or imported
    ├── HParamsError       an hparam that doesn't exist, doesn't parse or doesn't fit (a ValueError)
    ├── VocabularyError    a vocabulary that is missing, broken or not the model's
    ├── DataError          data that is missing, truncated or not what the problem declares
    │   └── SampleError    a sample of the user's that can't be used, with its number
    ├── DownloadError      a download that failed or whose checksum is wrong
    ├── CheckpointError    a checkpoint that is missing, broken or of another model
    ├── DeviceError        a device that was asked for and isn't there
    │   └── WorkerError    another machine that trains with this one went away
    ├── ServingError       a server that can't be started, or reached, or that refuses a request
    └── OutputError        a folder or file that can't be written
"""


class Error(Exception):
    """Base of everything that a user can cause and mend."""


class UnknownNameError(Error, KeyError):
    """A name that isn't registered; says what is close and where plugins were looked for."""

    # KeyError.__str__ shows the repr of its argument, which puts a sentence in quotes.
    __str__ = Exception.__str__


class DuplicateNameError(Error):
    """A second registration under a name already taken; names both places."""


class PluginError(Error):
    """A plugin folder or module that can't be found or imported."""


class HParamsError(Error, ValueError):
    """An hparam that doesn't exist, doesn't parse or doesn't fit the others."""


class VocabularyError(Error):
    """A vocabulary file that is missing, broken, or another one than the model's."""


class DataError(Error):
    """Data on disk that is missing, truncated, or not what the problem declares."""


class SampleError(DataError):
    """A sample from a user's hook that can't be used; names problem, hook and sample number."""

    # The traceback of the user's code as text, where it ran on another machine.
    remote_traceback = ""


class DownloadError(Error):
    """A download that failed, or whose content isn't the expected one."""


class CheckpointError(Error):
    """A checkpoint that is missing, broken, or of another model."""


class DeviceError(Error):
    """A device that was asked for and isn't there."""


class WorkerError(DeviceError):
    """Another machine of a training run went away; all of them start again together."""


class ServingError(Error):
    """A server that can't be started with what was given, isn't reached, or refuses a request."""


class OutputError(Error):
    """A file or folder that can't be written: full disk, read-only, no permission."""
