"""Runs the unit tests of Tensor2Tensor's text half, unchanged, with t2tlite in T2T's place.

  python tests/t2t_unit_tests.py /path/to/tensor2tensor

The argument is a checkout of Tensor2Tensor 1.15.7, or what `pip download tensor2tensor==1.15.7
--no-deps` gives, unpacked. A table is printed; the exit status is 1 if a test that applies fails.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

# Packages of T2T, and the files of their tests without "_test.py".
FILES = {
    "data_generators": "algorithmic generator_utils multi_problem_v2 paraphrase_ms_coco problem "
    "style_transfer text_encoder text_problems tokenizer transduction_problems translate_ende "
    "translate wikisum/utils",
    "bin": "t2t_trainer",
    "utils": "beam_search bleu_hook data_reader hparam hparams_lib metrics_hook metrics misc_utils "
    "registry rouge sari_hook t2t_model trainer_lib",
    "models": "lstm research/universal_transformer transformer",
}

# Why tests don't apply: a beginning of "FILE::CLASS.TEST", and the reason.
_GRAPH = "builds a TF1 graph"
_ESTIMATOR = "calls TF1's Estimator"
_PROBLEM = "of a problem that isn't part of t2tlite"
NOT_APPLICABLE = {
    "bin/t2t_trainer_test.py": _ESTIMATOR,
    "data_generators/generator_utils_test.py::GeneratorUtilsTest.testMaybeDownload": (
        "needs the network"
    ),
    "data_generators/generator_utils_test.py::GeneratorUtilsTest.testPacking": (
        "the reader packs examples, not the generator"
    ),
    "data_generators/generator_utils_test.py::GeneratorUtilsTest.testDatasetPacking": _GRAPH,
    "data_generators/multi_problem_v2_test.py": "several problems at once aren't supported",
    "data_generators/paraphrase_ms_coco_test.py": _PROBLEM,
    "data_generators/problem_test.py::ProblemTest.testInputAndTargetModalitiesAreReversed": (
        "has modalities that don't exist"
    ),
    "data_generators/problem_test.py::ProblemTest.testServingInputFnUseTpu": _GRAPH,
    "data_generators/style_transfer_test.py": _PROBLEM,
    "data_generators/text_encoder_test.py::SubwordTextEncoderTest.test_raises_exception_when_not": (
        "replaces a private constant"
    ),
    "data_generators/text_problems_test.py::TextProblems.testText2TextTmpDir": (
        "a new SUBWORD vocabulary is SentencePiece's"
    ),
    "data_generators/transduction_problems_test.py": _PROBLEM,
    "data_generators/wikisum/utils_test.py": _PROBLEM,
    "models/": _GRAPH,
    "utils/beam_search_test.py": _GRAPH,
    "utils/data_reader_test.py": _GRAPH,
    "utils/metrics_hook_test.py": "hooks of a TF1 session",
    "utils/metrics_test.py": _GRAPH,
    "utils/registry_test.py::EnvProblemRegistryTest": "reinforcement learning",
    "utils/rouge_test.py::TestRougeMetricsE2E": _GRAPH,
    "utils/sari_hook_test.py": "the metric SARI isn't computed",
    "utils/t2t_model_test.py": _GRAPH,
    "utils/trainer_lib_test.py::TrainerLibTest.testCreateHparams": (
        "counts hparams, and t2tlite has no field for two of them"
    ),
    "utils/trainer_lib_test.py::TrainerLibTest.testExperiment": _ESTIMATOR,
    "utils/trainer_lib_test.py::TrainerLibTest.testModel": _GRAPH,
    "utils/trainer_lib_test.py::TrainerLibTest.testMultipleTargetModalities": _GRAPH,
}


def main() -> int:
    """Runs all files, each in a process of its own, and prints the table."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = Path(sys.argv[1], "tensor2tensor")
    total = {"passed": 0, "failed": 0, "not applicable": 0}
    print("| file | tests | passed | not applicable |\n| --- | --- | --- | --- |")
    problems = []
    for name in file_names():
        results = list(run(root / name))
        reasons = {}
        counts = dict.fromkeys(total, 0)
        for test, error in results:
            outcome = "passed"
            if error:
                reason = not_applicable(f"{name}::{test}")
                outcome = "not applicable" if reason else "failed"
                if reason:
                    reasons[reason] = reasons.get(reason, 0) + 1
                else:
                    problems.append(f"{name}::{test}: {error}")
            counts[outcome] += 1
        why = "; ".join(f"{count}: {reason}" for reason, count in reasons.items())
        print(f"| `{name}` | {len(results)} | {counts['passed']} | {why} |", flush=True)
        for outcome in total:
            total[outcome] += counts[outcome]
    print(f"| all | {sum(total.values())} | {total['passed']} | {total['not applicable']} |")
    print("\n".join(["", *problems]) if problems else "\nEvery test that applies passes.")
    return bool(problems)


def file_names() -> Iterator[str]:
    """Yields the paths of all files below `tensor2tensor`."""
    for package, names in FILES.items():
        for name in names.split():
            yield f"{package}/{name}_test.py"


def not_applicable(test: str) -> str:
    """Returns why a test doesn't apply; empty if it does."""
    found = (reason for begin, reason in NOT_APPLICABLE.items() if test.startswith(begin))
    return next(found, "")


def run(path: Path) -> Iterator[tuple[str, str]]:
    """Yields the tests of a file, and the last line of the error of each that fails."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder, "results.json")
        words = [sys.executable, __file__, "--one", str(path), str(results)]
        done = subprocess.run(words, capture_output=True, text=True)
        if results.exists():
            yield from json.loads(results.read_text())
        else:
            yield "(the file)", (done.stderr.strip().splitlines() or ["it ended"])[-1]


class Results(unittest.TestResult):
    """The tests that ran, with the last line of the error of each that failed."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[str, str]] = []

    def addSuccess(self, test: unittest.TestCase) -> None:
        self._add(test, "")

    def addFailure(self, test: unittest.TestCase, err: Any) -> None:
        text = self._exc_info_to_string(err, test).strip()  # type: ignore[attr-defined]
        self._add(test, text.splitlines()[-1])

    addError = addFailure

    def _add(self, test: unittest.TestCase, error: str) -> None:
        name = test.id().partition(".")[2]
        # A method of tf.test.TestCase that isn't a test.
        if not name.endswith(".test_session"):
            self.rows.append((name, error))


def run_one(path: Path, results: Path) -> None:
    """Runs a file with T2T's names importable, and writes its rows as JSON."""
    # tf.test.TestCase reads flags, which must be parsed.
    from absl import flags  # noqa: TID251

    from t2tlite import compat

    compat.install()
    # Of Python 2's time; it is part of Python now.
    sys.modules["mock"] = mock
    spec = importlib.util.spec_from_file_location("test", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["test"] = module
    spec.loader.exec_module(module)
    flags.FLAGS(["test"], known_only=True)
    rows = Results()
    unittest.defaultTestLoader.loadTestsFromModule(module).run(rows)
    results.write_text(json.dumps(rows.rows))


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        run_one(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        sys.exit(main())
