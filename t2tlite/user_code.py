"""Errors in a user's code: the frames of that code alone, where it failed, and what to do."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any

from t2tlite.errors import Error, PluginError

# Packages on PyPI that have another name than the module that they contain.
_PACKAGES = {
    "absl": "absl-py",
    "attr": "attrs",
    "bidi": "python-bidi",
    "Bio": "biopython",
    "bs4": "beautifulsoup4",
    "Crypto": "pycryptodome",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "dotenv": "python-dotenv",
    "faiss": "faiss-cpu",
    "fitz": "PyMuPDF",
    "git": "GitPython",
    "google.cloud": "google-cloud-storage",
    "googleapiclient": "google-api-python-client",
    "grpc": "grpcio",
    "icu": "PyICU",
    "indicnlp": "indic-nlp-library",
    "jwt": "PyJWT",
    "magic": "python-magic",
    "MeCab": "mecab-python3",
    "MySQLdb": "mysqlclient",
    "PIL": "Pillow",
    "past": "future",
    "pkg_resources": "setuptools",
    "pptx": "python-pptx",
    "psycopg2": "psycopg2-binary",
    "serial": "pyserial",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "Stemmer": "PyStemmer",
    "tabula": "tabula-py",
    "tensorflow_serving": "tensorflow-serving-api",
    "yaml": "PyYAML",
    "zmq": "pyzmq",
}

_PYTHON_2 = (
    "this is Python 2 code: convert it with 2to3, which comes with Python 3.12 and earlier, or "
    "edit it"
)
# What Python 3 says about statements of Python 2, and lines where it just says "invalid syntax".
_PYTHON_2_SYNTAX = re.compile(
    r"Missing parentheses in call to|multiple exception types must be|leading zeros in decimal|"
    r"parameters cannot be parenthesized|inconsistent use of tabs"
)
_STRING = re.compile(r"""'[^']*'|"[^"]*\"""")
_PYTHON_2_LINE = re.compile(
    r"""^\s*print\s*[\w"'>]|^\s*exec\s+\w|^\s*raise\s+[\w.]+\s*,|^\s*except\s[^:]+,\s*\w+\s*:|"""
    r"""<>|`|\b[uU][rR]["']|\b(?:\d+|0[xX][\da-fA-F]+)[lL]\b"""
)
_PYTHON_2_MODULES = re.compile(
    r"__builtin__|anydbm|BaseHTTPServer|cPickle|cStringIO|commands|ConfigParser|Cookie|cookielib|"
    r"copy_reg|exceptions|HTMLParser|htmlentitydefs|httplib|md5|Queue|sets|sha|SimpleHTTPServer|"
    r"SocketServer|StringIO|thread|tkMessageBox|Tkinter|urllib2|urlparse|UserDict|xmlrpclib"
)
_PYTHON_2_NAMES = re.compile(
    r"name '(apply|basestring|buffer|cmp|coerce|execfile|file|intern|long|raw_input|reduce|reload|"
    r"unichr|unicode|xrange)' is not defined"
)
# Attributes and importable names, with what lost them.
_PYTHON_2_ATTRIBUTES = re.compile(
    r"has no attribute '(iter(items|keys|values)|view(items|keys|values)|has_key|im_func|"
    r"func_(name|code|defaults)|next|getcwdu|setdefaultencoding|maxint|izip(_longest)?|imap|"
    r"ifilter(false)?)'|"
    r"'str' object has no attribute 'decode'|'bytes' object has no attribute '(encode|format)'|"
    r"module 'string' has no attribute|"
    r"'(dict_(keys|values|items)|map|filter|zip|range)' object has no attribute|"
    r"module 'urllib' has no attribute '(quote|unquote|url|Fancy)|"
    r"cannot import name '(izip|imap|ifilter|maketrans|letters|quote|unquote|url)"
)
_PYTHON_2_VALUES = re.compile(
    r"'(map|filter|zip|dict_(keys|values|items))' object (is not subscriptable|does not support)|"
    r"object of type '(map|filter|zip)' has no len|'range' object does not support|"
    r"for >>: 'builtin_function_or_method'|for \+: '(range|map|dict_\w+)'"
)


def advice(error: BaseException) -> str:
    """Returns what to do about an exception of a user's code; "" if nothing general is known."""
    message = _message(error)
    # absl's.
    if type(error).__name__ == "DuplicateFlagError":
        return "rename your flag"
    if isinstance(error, SyntaxError):
        line = _STRING.sub("''", error.text or "").partition("#")[0]
        if "codec can't decode" in message:
            return "save the file as UTF-8"
        old = _PYTHON_2_SYNTAX.search(message) or _PYTHON_2_LINE.search(line)
    elif isinstance(error, ModuleNotFoundError) and error.name:
        old = _PYTHON_2_MODULES.fullmatch(error.name)
        if not old:
            return _missing(error.name)
    elif isinstance(error, NameError):
        old = _PYTHON_2_NAMES.search(message)
    elif isinstance(error, (AttributeError, ImportError)):
        old = _PYTHON_2_ATTRIBUTES.search(message)
    else:
        old = _PYTHON_2_VALUES.search(message)
    return _PYTHON_2 if old else ""


def _missing(module: str) -> str:
    """Returns what to do about a module that Python doesn't find."""
    top, _, inner = module.partition(".")
    spec = importlib.util.find_spec(top) if inner else None
    folders = list(spec and spec.submodule_search_locations or [])
    # Namespace packages of libraries, such as google, are installed part by part.
    if folders and (spec and spec.origin or not _is_installed(folders[0])):
        return f"{top} has no such module; look in {folders[0]}"
    name = _PACKAGES.get(module) or module.replace(".", "-")
    return (
        f"install it with: pip install {name}; or, if it is a file of yours, copy it beside the "
        f"plugin"
    )


def traceback_of(error: BaseException) -> str:
    """Returns the traceback of an exception as text, with the frames of the user's code alone.

    It is "" if no line of the user's code was at fault: a function was called with arguments that
    it doesn't take, for example.
    """
    stack = _users_stack(error)
    if not stack and not isinstance(error, SyntaxError):
        return ""
    lines = traceback.format_list(stack)
    if _rewritten(error):
        lines.append(f"{type(error).__name__}: {_message(error)}")
    else:
        lines += traceback.format_exception_only(error)
    return "".join(lines).rstrip()


def _users_stack(error: BaseException) -> list[traceback.FrameSummary]:
    """Returns the frames of a traceback that are the user's, outermost first."""
    if rewritten := _rewritten(error):
        own = os.path.dirname(__file__) + os.sep
        return [
            traceback.FrameSummary(file, line, name, lookup_line=False, line=code)
            for file, line, name, code, *_ in reversed(rewritten.translated_stack)
            if not file.startswith(own) and not _is_installed(file)
        ]
    frames = [one for one in traceback.walk_tb(error.__traceback__) if not _is_ours(one[0])]
    # An installed plugin's frames look as those of the libraries that it calls.
    frames = [one for one in frames if not _is_library(one[0])] or frames
    return traceback.StackSummary.extract(iter(frames))


def _rewritten(error: BaseException) -> Any:
    """Returns what TensorFlow knows of an exception in a function that it ran a copy of."""
    return getattr(error, "ag_error_metadata", None)


def _message(error: BaseException) -> str:
    """Returns the message of an exception, without the stack that TensorFlow adds to it."""
    rewritten = _rewritten(error)
    return rewritten.cause_message.partition(": ")[2] if rewritten else str(error)


def _is_ours(frame: FrameType) -> bool:
    """Whether a frame belongs to t2tlite or to Python's import system."""
    top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    return top in (__package__, "importlib") or frame.f_code.co_filename.startswith("<frozen ")


def _is_library(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    return _is_installed(file) or file.startswith(os.path.dirname(os.__file__) + os.sep)


def _is_installed(path: str) -> bool:
    return "site-packages" in path or "dist-packages" in path


@contextlib.contextmanager
def reported(what: str) -> Iterator[None]:
    """Turns an exception of a user's code into a PluginError: one line above their traceback.

    Args:
      what: failed, for the message: "plugin /home/me/poetry".

    Raises:
      PluginError: the code raised an exception, or asked Python to exit.
    """
    try:
        yield
    except Error:
        # It has a message for the user already.
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f"{what} failed: {explained(error)}") from None


def explained(error: BaseException) -> str:
    """Returns a line on an exception of a user's code, and its traceback below."""
    line = f"{in_one_line(error)}; {advice(error) or 'mend it'}"
    shown = traceback_of(error)
    return f"{line}\nTraceback (your code):\n{shown}" if shown else line


def in_one_line(error: BaseException) -> str:
    """Returns where a user's code raised an exception, its type and the start of its message."""
    if isinstance(error, SyntaxError):
        where, message = (error.filename, error.lineno), error.msg
    else:
        where, message = (None, None), next(iter(_message(error).splitlines()), "")
        for frame in _users_stack(error)[-1:]:
            where = frame.filename, frame.lineno
    text = f"{type(error).__name__}: {message}".rstrip(": ")
    return f"{where[0]}, line {where[1]}: {text}" if where[0] else text
