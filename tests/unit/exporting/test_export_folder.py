"""An export's folder appears whole or not at all, whatever other exports do."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from t2tlite.exporting import export_folder


def test_the_rest_of_a_killed_export_is_removed(tmp_path):
    script = (
        "import os, sys, pathlib\n"
        "from t2tlite.exporting.export_folder import working_folder\n"
        "with working_folder(sys.argv[1]) as folder:\n"
        "    pathlib.Path(folder, 'half').touch()\n"
        "    os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path], check=False)
    assert done.returncode == 9
    assert list(tmp_path.glob("*/half"))
    with export_folder.working_folder(tmp_path) as folder:
        assert list(folder.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_exports_to_one_folder_wait_for_each_other(tmp_path):
    with ThreadPoolExecutor(1) as pool:
        with export_folder.working_folder(tmp_path) as folder:
            (folder / "first").touch()
            second = pool.submit(replace_by_a_second, tmp_path)
            with pytest.raises(TimeoutError):
                second.result(0.3)
            export_folder.replace(folder, tmp_path / "model")
        second.result(10)
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "second"]


def replace_by_a_second(parent):
    with export_folder.working_folder(parent) as folder:
        (folder / "second").touch()
        export_folder.replace(folder, parent / "model")
