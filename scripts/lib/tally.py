"""Counts the results in meson's testlog.json; exits 1 when a test failed or none ran."""

import json
import sys

with open(sys.argv[1], encoding="utf-8") as log:
    results = [json.loads(line)["result"] for line in log if line.strip()]

passed = sum(r in ("OK", "EXPECTEDFAIL") for r in results)
skipped = sum(r in ("SKIP", "IGNORED") for r in results)
failed = len(results) - passed - skipped
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(failed > 0 or passed == 0)
