#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Every stage of the training once, in about a minute on one CPU core: sh smoke.sh PACK.tar [FOLDER]
# Checks that each stage runs, goes on from its checkpoint and that the export loads; not that anything was learned.
set -e
here=$(dirname "$(readlink -f "$0")")
pack=$1
work=${2:-$(mktemp -d)}
test -f "$pack" || { echo "usage: smoke.sh PACK.tar [FOLDER]" >&2; exit 2; }
export OPENBLAS_NUM_THREADS=1
python3 "$here/pack.py" --pack "$pack"
python3 "$here/train_vae.py" --pack "$pack" --work "$work" --seconds 1 --fit 64 --held 4 --smoke
python3 "$here/train_text.py" --pack "$pack" --work "$work" --seconds 2 --examples 60
for again in 1 2; do
  python3 "$here/train_vae.py" --pack "$pack" --work "$work" --seconds 3 --held 4 --smoke
  python3 "$here/train_denoiser.py" --pack "$pack" --work "$work" --seconds 3 --probe 8 --smoke
done
python3 "$here/export.py" --work "$work" --out "$work/model"
python3 "$here/evaluate.py" --model "$work/model" --pack "$pack" --work "$work" --out "$work/sheets" --contexts 2
echo "smoke test passed: $work"
