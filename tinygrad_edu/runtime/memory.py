"""Keep memory that was freed, in large pages, instead of handing it back and fetching it again at every training step.

A training step makes and drops the same large arrays again and again. glibc's malloc gives a large freed block back to
the operating system at once, and the next step gets it back page by page, 4 KB at a time, each page filled with zeros
first. Measured on a step of the character LSTM: 3,800 to 7,000 page faults and 30 to 36 ms with malloc's own settings,
none and 18 ms with these. No array is reused by us: malloc alone decides, so nobody's values can be overwritten.

The processor must look up, too, where each page lies in its memory. It remembers some 2,000 of them, which is 8 MB of
such small pages; a step of the small GPT goes through 60 MB. Linux has pages of 2 MB for those who ask. Without them,
that step takes 7 to 11% longer (`python -m benchmarks --only shakespeare-gpt`, contender small-pages).
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # the numbers in glibc's malloc.h
MADV_HUGEPAGE = 14  # and in Linux' mman.h

KEPT = 256 * 2**20  # bytes of free memory at the heap's end that are kept
FROM_HEAP = 32 * 2**20  # blocks up to this size come from the heap, the largest that glibc allows; beyond, from the OS
LARGE_PAGE = 2 * 2**20


def keep_freed_memory() -> bool:
    """Tell malloc; True where it listened. Elsewhere than on Linux with glibc nothing happens."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None or not (mallopt(M_TRIM_THRESHOLD, KEPT) and mallopt(M_MMAP_THRESHOLD, FROM_HEAP)):
        return False
    ask_for_large_pages()
    return True


def ask_for_large_pages() -> None:
    """Let the heap grow by what is kept, and ask for large pages there; those never written to take no memory."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    libc.free.argtypes, libc.madvise.argtypes = [ctypes.c_void_p], [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.mallopt(M_TOP_PAD, KEPT)  # by so much more than it must
    libc.free(libc.malloc(FROM_HEAP - 2**12))  # it must
    for line in Path("/proc/self/maps").read_text(encoding="utf-8").splitlines():
        if line.endswith("[heap]"):  # "55d0c0a1b000-55d0c0a3c000 rw-p ... [heap]"
            start, end = (int(address, 16) for address in line.split()[0].split("-"))
            start += -start % LARGE_PAGE
            libc.madvise(start, max(0, end - start), MADV_HUGEPAGE)
