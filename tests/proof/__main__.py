"""Run every section of the proof, one after the other, and write docs/proof.md. Some half an hour on two cores.

`python -m proof NAME ...` runs these sections anew and keeps the others as they were last counted; `--page` runs none.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from proof import page
from proof.section import FOLDER, ROOT
from tinygrad_edu.files import write_whole

SECTIONS = ("table", "zoo", "programs", "interop", "kills", "damage", "mutated", "inputs", "covered", "mutants")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m proof", description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {', '.join(SECTIONS)}")
    parser.add_argument("--page", action="store_true", help="run nothing: write the page from what was counted last")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.names) - set(SECTIONS))
    if unknown:
        parser.error(f"unknown section {', '.join(unknown)}; there are: {', '.join(SECTIONS)}")

    names = [] if options.page else options.names or SECTIONS
    for name in names:
        (FOLDER / f"{name}.json").unlink(missing_ok=True)  # a section that breaks off must not show older figures
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    for name in names:
        print(f"--- {name}", flush=True)
        # Not checked: what failed stands on the page.
        subprocess.run([sys.executable, "-m", f"proof.{name}"], cwd=ROOT, env=environment, check=False)
    sections, left_out = page.read(FOLDER, SECTIONS)
    text = page.text(sections, left_out)
    write_whole(ROOT / page.PAGE, text)
    print(f"written: {page.PAGE}")
    return 1 if left_out or any(section["failures"] for section in sections) else 0


if __name__ == "__main__":
    sys.exit(main())
