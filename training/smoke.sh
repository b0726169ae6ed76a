#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Every stage of the training once (smoke.py): sh smoke.sh PACK.tar [FOLDER]
# Without FOLDER a temporary one is used and removed.
set -e
here=$(dirname "$(readlink -f "$0")")
work=$2
if [ -z "$work" ]; then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
fi
export OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
python3 "$here/smoke.py" "$1" "$work"
