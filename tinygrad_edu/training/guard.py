"""Who says which rank was killed: the rank itself cannot, and the others are killed by mpiexec in the same moment.

So every rank that MPICH's mpiexec starts has a guard, a shell that waits for a word from it. Where the pipe closes
without one, the guard says so. mpiexec notices a death by the end of another pipe, PMI_FD; the guard holds that one
open until it has spoken, so the first death is told before the others are made. It is told once on each computer: by
whoever can make a file.

Other launchers name the rank themselves: Open MPI's mpirun, and Slurm's srun.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile

SCRIPT = """
set -C
read -r name
read -r word && exit
echo 2>/dev/null >"$0" && echo "error: $name is gone: killed, or ended without a word" >&2
exec >&- 2>&-
sleep 2
rm -f "$0"
"""


class Guard:
    """Begin before MPI is imported; without MPICH's mpiexec, nobody is there and nothing happens."""

    def __init__(self) -> None:
        self.told = f"{tempfile.gettempdir()}/tinygrad_edu-{os.getppid()}-told"  # ranks of one computer have one parent
        self.shell: subprocess.Popen | None = None
        descriptor = os.environ.get("PMI_FD", "")
        if descriptor.isdecimal() and os.name == "posix":
            self.shell = subprocess.Popen(
                ["sh", "-c", SCRIPT, self.told],
                stdin=subprocess.PIPE,
                stdout=int(descriptor),  # nothing is written to it, but it stays open
                start_new_session=True,  # mpiexec ends what is in the rank's own
            )

    def say(self, word: str) -> None:
        """The first word is who the rank is, the second one that it ends by itself."""
        if self.shell and self.shell.stdin:
            with contextlib.suppress(OSError):
                self.shell.stdin.write(f"{word}\n".encode())
                self.shell.stdin.flush()

    def hush(self) -> None:
        """All ranks are about to be ended, and why has been said."""
        with contextlib.suppress(OSError):
            os.close(os.open(self.told, os.O_CREAT | os.O_EXCL))
        self.say("end")
