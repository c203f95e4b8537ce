"""Files out of a .tar.gz archive, which may have been made to do harm."""

import contextlib
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from tinygrad_edu.data.errors import DataError
from tinygrad_edu.data.files import open_data, remove_leftovers

HEADERS = 2**15  # bytes that the headers may have in all; a dozen files take 6,144
OTHER = 2**20  # bytes that an archive may hold beside the wanted files: headers, a page that explains them
PIECE = 2**16
PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE)


def unpack(archive: Path, folder: Path, sizes: dict[str, int], check: Callable[[str, bytes], Any]) -> None:
    """Take files out of an archive into `folder`, which appears complete and checked, or not at all.

    Parameters
    ----------
    archive : Path
        A .tar.gz file.
    folder : Path
        The new folder. No path in the archive is used: the files lie in it side by side.
    sizes : dict
        The wanted files, each name (without folders) with its size in bytes. Nothing else is written.
    check : function of a name and the file's bytes
        Raises DataError where they are not what they should be.

    Raises
    ------
    DataError
        The archive is damaged, or larger than the files that it should hold; a file is missing, there twice, or of
        another size; or there is a path out of its folder (an absolute one, or one with ".."), a link, a device or a
        file with holes, as nobody publishes them: nothing of such an archive is used.
    """
    remove_leftovers(folder.parent, folder.name)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent) as temporary:
            place = Path(temporary) / folder.name
            place.mkdir()
            for name, content in _contents(archive, sizes):
                check(name, content)
                (place / name).write_bytes(content)
            place.replace(folder)
    except OSError as error:
        raise DataError(f"could not unpack {archive} to {folder}: {error.strerror or error}") from error


def _contents(archive: Path, sizes: dict[str, int]) -> Iterator[tuple[str, bytes]]:
    """The wanted files, one by one, in the order of the archive."""
    missing = set(sizes)
    with open_data(archive, packed=True) as (file, _), _saying_it_is_damaged(archive):
        stream = _Stream(file, sum(sizes.values()) + OTHER)
        with tarfile.open(fileobj=cast(BinaryIO, stream), mode="r:") as tar:
            for member in tar:
                _refuse_harm(archive, member)
                name = PurePosixPath(member.name).name
                if name not in sizes or member.isdir():
                    continue
                if name not in missing:
                    raise DataError(f"{archive}: {name} is in the archive twice; delete it and fetch it again")
                if member.size != sizes[name]:
                    raise DataError(
                        f"{archive}: expected {sizes[name]:,} bytes in {name}, came {member.size:,}; delete the "
                        "archive and fetch it again"
                    )
                missing.remove(name)
                yield name, b"".join(stream.pieces(member.size))
        while stream.next(PIECE):  # to the end, where gzip has its checksum
            pass
    if missing:
        raise DataError(f"{archive}: expected {', '.join(sorted(missing))} in the archive, which are missing")


def _refuse_harm(archive: Path, member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or member.type not in PLAIN or member.issparse():
        raise DataError(
            f"{archive}: the archive holds {member.name!r:.80}, which leads out of its folder or is no plain file; "
            "nothing was unpacked. Delete the archive and fetch it from the publisher"
        )


@contextlib.contextmanager
def _saying_it_is_damaged(archive: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, ValueError) as error:  # ValueError: a pax header that should be a number, and is none
        raise DataError(f"{archive}: not a whole archive ({error}); delete it and fetch it again") from error


class _Stream:
    """What `tarfile` sees of an archive: forwards only, so much in all, and little of it as headers.

    The sizes in an archive are numbers that anybody can write, and `tarfile` believes them: it would read a name of
    gigabytes. It reads headers alone here; the contents of files go through `pieces`.
    """

    def __init__(self, file: BinaryIO, largest: int) -> None:
        self.file, self.largest, self.headers, self.position = file, largest, HEADERS, 0

    def tell(self) -> int:
        return self.position

    def seek(self, position: int) -> None:
        for _ in self.pieces(position - self.position):
            pass

    def read(self, size: int) -> bytes:
        self.headers -= size
        if size < 0 or self.headers < 0:
            raise tarfile.ReadError("a header in it is too long")
        return self.next(size)

    def pieces(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes, piece by piece; ReadError where there are fewer."""
        if size < 0:
            raise tarfile.ReadError("a size in it is negative")
        while size:
            piece = self.next(min(size, PIECE))
            if not piece:
                raise tarfile.ReadError("it ends within a file")
            size -= len(piece)
            yield piece

    def next(self, size: int) -> bytes:
        piece = self.file.read(size)
        self.position += len(piece)
        if self.position > self.largest:
            raise tarfile.ReadError(f"it unpacks to more than the {self.largest:,} bytes of such an archive")
        return piece
