"""measure.py REPORT STEP COMMAND...

Runs COMMAND, then prints and appends to REPORT one row: the step, its wall time, and for each
program it started how long the longest process ran and its peak resident memory. Processes are
sampled ten times a second; the peak is the kernel's own high-water mark.
"""

import pathlib
import subprocess
import sys
import time

MIB = 1024
SHOWN = {"palimpsest": "plug-in", "gimp-console": "GIMP"}   # program's name → in the report
SHORT = 0.5                                                 # s; GIMP asks each plug-in what it is


def processes():
    """pid → (parent's pid, name, peak resident memory in KiB) of every process."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            lines = path.read_text().split("\n")
        except OSError:
            continue
        fields = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        if "VmHWM" in fields:
            found[int(path.parent.name)] = (int(fields["PPid"]), fields["Name"],
                                            int(fields["VmHWM"].split()[0]))
    return found


def below(all_processes, top):
    family = {top}
    for _ in range(8):
        family |= {pid for pid, row in all_processes.items() if row[0] in family}
    return family


def main():
    report, step, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    started = time.monotonic()
    child = subprocess.Popen(command)
    first, longest, peak = {}, {}, {}
    while child.poll() is None:
        rows, now = processes(), time.monotonic()
        for pid in below(rows, child.pid) & rows.keys():
            name = rows[pid][1]
            first.setdefault(pid, now)
            longest[name] = max(longest.get(name, 0.0), now - first[pid])
            peak[name] = max(peak.get(name, 0), rows[pid][2])
        time.sleep(0.1)

    details = [f"{shown} {longest[name]:.1f} s, {peak[name] / MIB:.0f} MiB"
               for program, shown in SHOWN.items() for name in peak
               if name.startswith(program) and longest[name] > SHORT]
    row = f"{step:<10} {time.monotonic() - started:7.1f} s   " + "; ".join(details)
    print(row, flush=True)
    with open(report, "a", encoding="utf-8") as out:
        out.write(row + "\n")
    sys.exit(child.returncode)


main()
