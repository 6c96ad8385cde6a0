#!/usr/bin/env bash
# The whole pipeline on a text that is a Python package: makes pairs of consecutive lines from the
# Psalms, trains a small Transformer on them and decodes five lines. `make demo` runs it.
# Everything is written below demo/. You can stop it at any time; the next run resumes.
set -euo pipefail

TRAIN_STEPS=${TRAIN_STEPS:-400}  # updates of the weights, earlier runs included

cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p demo

echo "== 1. Data: lines of the Psalms, each with the next line"
t2t-datagen --problem=psalm_line_problem --data_dir=demo/data --tmp_dir=demo/tmp

echo "== 2. Training: $TRAIN_STEPS steps of a small Transformer"
t2t-trainer --problem=psalm_line_problem --data_dir=demo/data --output_dir=demo/model \
  --model=transformer --hparams_set=transformer_modern_tiny \
  --hparams=layer_prepostprocess_dropout=0.3 --train_steps="$TRAIN_STEPS" \
  --local_eval_frequency=100 --keep_checkpoint_max=3

echo "== 3. Decoding: the model's next line for five lines"
cat >demo/lines.txt <<'LINES'
The LORD is my shepherd; I shall not want.
The heavens declare the glory of God;
Bless the LORD, O my soul:
I will lift up mine eyes unto the hills,
By the rivers of Babylon, there we sat down,
LINES
t2t-decoder --output_dir=demo/model --decode_from_file=demo/lines.txt \
  --decode_to_file=demo/answers.txt

echo
paste -d '\n' demo/lines.txt <(sed 's/^/    -> /' demo/answers.txt)
cat <<MORE

Decode your own lines:       $(command -v t2t-decoder) --output_dir=demo/model --decode_interactive
Train longer:                TRAIN_STEPS=$((2 * TRAIN_STEPS)) make demo
See its curves:              $(dirname "$(command -v t2t-decoder)")/tensorboard --logdir=demo/model
MORE
