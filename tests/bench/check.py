#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""check.py PROGRAM MODEL SYNTHETIC: what palimpsest-bench prints is complete and adds up.

MODEL is the bundled model; SYNTHETIC the script that writes a model of real shapes, whose
arithmetic was counted by hand, layer by layer.
"""
import configparser
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import tempfile

SKIPPED, NO_DEVICE = 77, 2
# GFLOP of one call of Stable Diffusion 1.5: side of the picture → phase → figure
COUNTED = {
    256: {"text": 13.3, "encode": 272.7, "step": 180.1, "decode": 622.2},
    512: {"text": 13.3, "encode": 1116.7, "step": 803.3, "decode": 2514.5},
    768: {"text": 13.3, "step": 2148.1},
}


def run(program, *arguments, code=0):
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode == NO_DEVICE:
        print(done.stderr.strip())
        sys.exit(SKIPPED)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return done


def document(program, *arguments):
    result = json.loads(run(program, *arguments, "--json").stdout)
    assert result["device"] and result["platform"] and result["driver"], result
    assert result["compute_units"] >= 1 and result["peak_gflops"] > 0.1, result
    return result


def positive(row, *keys):
    for key in keys:
        assert row[key] is not None and row[key] > 0 and math.isfinite(row[key]), (key, row)


def check_ops(program):
    rows = document(program, "--op", "--repeat", "2", "--match", "l*/o*")["ops"]
    assert {row["op"] for row in rows} == {"linear", "layer_norm"}, rows
    for row in rows:
        assert row["row"].startswith("o") and row["verdict"] == "right", row
        assert 0 <= row["nmse"] < 1e-6, row
        positive(row, "us", "gbytes")
        assert (row["gflops"] is not None) == (row["op"] == "linear"), row


def check_kernels(program):
    result = document(program, "--kernel", "--repeat", "1", "--match", "row_norm/*")
    assert {row["kernel"] for row in result["kernels"]} >= {"row_norm any"}, result
    assert [row["chosen"] for row in result["kernels"]].count("*") == 1, result
    assert result["blas"], result
    for row in result["kernels"]:
        positive(row, "us", "gbytes")
        assert row["gflops"] is None and row["ratio"] is None, row

    rows = document(program, "--kernel", "--repeat", "1", "--match",
                    "attention/*/attention 8 x 160*")
    for row in rows["kernels"]:
        positive(row, "us", "gflops", "peak")
        assert math.isclose(row["peak"] * rows["peak_gflops"], row["gflops"], rel_tol=1e-6), row
        if rows["blas"] != "not installed":
            positive(row, "blas_gflops", "ratio")
            assert math.isclose(row["ratio"], row["gflops"] / row["blas_gflops"],
                                rel_tol=1e-6), row


def check_tune(program, folder):
    path = folder / "tune.ini"
    result = document(program, "--tune", "--repeat", "1", "--match", "attention 8 x 160*",
                      "--output", path)
    blocks = configparser.ConfigParser(delimiters="=")
    blocks.read_string(path.read_text(encoding="utf-8"))
    (block,) = blocks.sections()
    assert block == f"{result['platform']}, {result['device']}", block
    assert result["path"] == str(path) and f"[{block}]" in result["block"], result
    (entry,) = blocks.items(block)
    chosen = [row for row in result["tried"] if row["chosen"]]
    best = max((row for row in result["tried"] if row["gflops"]), key=lambda row: row["gflops"])
    assert chosen == [best], result
    assert entry[0] == f"{best['subject']}.{best['class']}" == "attention.few", entry
    assert re.fullmatch(re.escape(best["variant"]) + ";[0-9a-f]{12};", entry[1]), entry


def check_model(program, model):
    result = document(program, "--model", model, "--size", "128", "--steps", "2", "--repeat", "1")
    phases = {row["phase"]: row for row in result["phases"]}
    assert list(phases) == ["load", "text", "encode", "step", "decode"], result
    assert phases["step"]["calls"] == 2 and phases["decode"]["calls"] == 1, result
    for name, row in phases.items():
        positive(row, "first_wall", "wall", "cpu")
        if name != "load":
            positive(row, "gflop", "gflops", "peak", "gbytes_moved", "gbytes")
    positive(result, "weights_mib", "planned_mib", "bound_mib", "resident_peak_mib")
    assert result["bound_mib"] <= result["planned_mib"], result

    calls = document(program, "--model", model, "--size", "128", "--count")["calls"]
    decode = {row["phase"]: row for row in calls}["decode"]
    assert math.isclose(decode["gflop"], phases["decode"]["gflop"]), (decode, phases)


def check_counts(program, synthetic, folder):
    model = folder / "sd15"
    subprocess.run([sys.executable, synthetic, model, "--sparse"], check=True)
    for size, figures in COUNTED.items():
        calls = document(program, "--model", model, "--count", "--size", str(size))["calls"]
        found = {row["phase"]: row["gflop"] for row in calls}
        for phase, gflop in figures.items():
            assert abs(found[phase] - gflop) <= 0.05, (size, phase, found[phase], gflop)


def check_refusals(program):
    for arguments, text in (((), "Give one of"), (("--op", "--tune"), "Give one of"),
                            (("--op", "--repeat", "0"), "--repeat"),
                            (("--model", "/no/such/folder"), "does not exist")):
        assert text in run(program, *arguments, code=1).stderr, arguments


def main():
    program, model, synthetic = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        os.environ["PALIMPSEST_CACHE_DIR"] = str(folder / "cache")
        check_refusals(program)
        check_ops(program)
        check_kernels(program)
        check_tune(program, folder)
        check_model(program, model)
        check_counts(program, synthetic, folder)


main()
