"""Runs every stage of the training once on the image pack; skipped where there is no pack."""

import os
import subprocess
import sys

SKIPPED = 77

folder = os.environ.get("PALIMPSEST_TRAINING")
if not folder:
    print("skipped: PALIMPSEST_TRAINING does not name a folder with pack.tar, and there is no "
          "../shared/training; training/README.md says how to make the pack")
    sys.exit(SKIPPED)

pack = os.path.join(folder, "pack.tar")
if not os.path.isfile(pack):
    sys.exit(f"PALIMPSEST_TRAINING: {pack} is missing; name a folder that has it, "
             "or unset the variable")

sys.exit(subprocess.run(["sh", sys.argv[1], pack], check=False).returncode)
