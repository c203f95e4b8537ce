"""Files spoilt in every way that disks, wires, editors and ill will have: bytes anywhere, and each format's own."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
from random import Random

import numpy as np

EXTREMES = (0, 1, 127, 128, 255, 2**15, 2**16 - 1, 2**30, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1)


def spoil(content: bytes, chance: Random) -> bytes:
    """One to three changes of bytes, without regard to what they mean."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        content = chance.choice(CHANGES)(content, chance)
    return content


def _cut(content, chance):
    return content[: chance.randrange(len(content) + 1)]


def _flip(content, chance):
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8) if changed else 0):
        changed[_place(changed, chance)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _insert(content, chance):
    place = _place(content, chance)
    return content[:place] + chance.randbytes(chance.choice((1, 2, 7, 512))) + content[place:]


def _delete(content, chance):
    place = _place(content, chance)
    return content[:place] + content[place + chance.choice((1, 2, 7, 512)) :]


def _swap(content, chance):
    a, b, c = sorted(chance.randrange(len(content) + 1) for _ in range(3))
    return content[:a] + content[b:c] + content[a:b] + content[c:]


def _repeat(content, chance):
    a, b = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    return content[:b] + content[a:b] + content[b:]


def _extreme(content, chance):
    place, size = _place(content, chance), chance.choice((1, 2, 4, 8))
    field = (chance.choice(EXTREMES) % 256**size).to_bytes(size, chance.choice(("little", "big")))
    return content[:place] + field + content[place + size :]


def _other(content, chance):
    """Something else altogether, or something else behind it."""
    garbage = chance.choice((b"", b"\0" * 1024, b"<!DOCTYPE html><html>not found</html>", chance.randbytes(2000)))
    return chance.choice((garbage, content + garbage, garbage + content, content + content, gzip.compress(content)))


CHANGES = (_cut, _flip, _flip, _insert, _delete, _swap, _repeat, _extreme, _extreme, _other)


def _place(content: bytes | bytearray, chance: Random) -> int:
    """Half of the time in the beginning, where headers are."""
    return chance.randrange(max(1, min(len(content), 64) if chance.random() < 0.5 else len(content)))


# --- IDX, gzip, CIFAR's batches ---


def idx(content: bytes, chance: Random) -> bytes:
    """A header that declares something else than what follows."""
    dimensions = content[3]
    shape = list(struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions]))
    shape[chance.randrange(dimensions)] = chance.choice(EXTREMES) % 2**32
    magic = chance.choice((content[:4], content[:4], bytes([0, 0, chance.randrange(256), chance.randrange(256)])))
    return magic + struct.pack(f">{dimensions}I", *shape) + content[4 + 4 * dimensions :]


def packed(change):
    """The same for a gzip file: what is in it changed and packed again, or the packed bytes, or gzip's own fields."""

    def changed(content: bytes, chance: Random) -> bytes:
        inner = gzip.decompress(content)
        kind = chance.choice((0, 0, 0, 0, 1, 2, 3, 4, 5))
        if kind == 0:
            return gzip.compress(change(inner, chance))
        if kind == 1:
            return gzip.compress(spoil(inner, chance))
        if kind == 2:  # what was announced, and then zeros without end
            return gzip.compress(inner, 1) + ZEROS
        if kind == 3:  # flags of fields that are not there: a name, a comment, more
            return content[:3] + bytes([chance.randrange(256)]) + content[4:]
        if kind == 4:  # another checksum or length at the end
            return content[:-8] + chance.randbytes(4) + struct.pack("<I", chance.choice(EXTREMES) % 2**32)
        rest = (b"", b"\0" * 99, b"x", gzip.compress(inner[20:]), content[:30])
        return gzip.compress(inner[:20]) + chance.choice(rest)

    return changed


ZEROS = gzip.compress(bytes(2**22)) * 64  # a gzip file may have many parts: 268 MB in all


def cifar(content: bytes, chance: Random) -> bytes:
    """A label out of range, or some records more or less."""
    record = 3073
    if chance.random() < 0.5:
        place = record * chance.randrange(len(content) // record)
        return content[:place] + bytes([chance.randrange(256)]) + content[place + 1 :]
    return (content + content)[: record * chance.choice((0, 1, 7, 9, 16))]


# --- tar ---


def tar(content: bytes, chance: Random) -> bytes:
    """An archive whose members are not what they should be, or whose headers say so, with their checksums right."""
    members = [(info, source.read()) for info, source in _members(content)]
    at = chance.randrange(len(members))
    info, data = members[at]
    kind = chance.randrange(9)
    if kind == 0:
        names = ("../" + info.name, "/" + info.name, "..", "", ".", "\0", "é" * 120, "a/" * 200 + "b")
        info.name = chance.choice(names)
    elif kind == 1:  # links, devices, pipes, and types that nobody knows
        info.type = chance.choice((*(bytes([k]) for k in b"123456789SLKxgDMNVX"), b"\0", b"\xff"))
        info.linkname = chance.choice(("", "/etc/passwd", "../../x", info.name))
    elif kind == 2:
        members.insert(chance.randrange(len(members) + 1), members[at])
    elif kind == 3:
        del members[at]
    elif kind == 4:
        data = spoil(data, chance)
    elif kind == 5:
        key = chance.choice(("size", "path", "linkpath", "mtime", "uid", "hdrcharset", "GNU.sparse.major"))
        info.pax_headers = {key: chance.choice(("", "x", "-1", "9" * 30, "1e999", "1,2,3", "1.0", "٣", "\0"))}
    elif kind == 6:
        keys = ("GNU.sparse.map", "GNU.sparse.size", "GNU.sparse.offset", "GNU.sparse.realsize", "GNU.sparse.numblocks")
        info.pax_headers = {key: chance.choice(("0", "-1", "3000000000", "0,1,3000000000,1", "x")) for key in keys}
    if kind < 7:
        members[at:at] = [(info, data)] if kind in (0, 1) else []
        if kind >= 4:
            members[at] = (info, data)
        return _archive(members)
    return _with_raw_fields(content, chance) if kind == 7 else _with_raw_pax(content, chance)


def _members(content: bytes):
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return [(info, io.BytesIO(archive.extractfile(info).read())) for info in archive.getmembers()]


def _archive(members) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def _with_raw_fields(content: bytes, chance: Random) -> bytes:
    """Fields of the first header overwritten: name, mode, size, type, and what GNU writes into the rest."""
    header = bytearray(content[:512])
    for start, size in chance.sample(((0, 100), (100, 8), (124, 12), (136, 12), (156, 1), (257, 8), (345, 155)), 2):
        number = b"%0*o" % (size, chance.choice(EXTREMES))
        value = chance.choice((number, b"\x80" + chance.randbytes(size), b"\xff" * size, chance.randbytes(size), b""))
        header[start : start + size] = value[:size].ljust(size, b"\0")
    return _signed(header) + content[512:]


def _signed(header: bytearray) -> bytes:
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def _with_raw_pax(content: bytes, chance: Random) -> bytes:
    """Extended headers as no program writes them: lengths that are no numbers, endless digits, names in names."""
    record = chance.choice(
        (b"x path=y\n", b"-5 path=y\n", b"0 path=y\n", b"99999 size=1\n", b"9" * 5000, b"12 size=\xff\n", b"\0" * 20,
         b"18 size=99999999\n", b"14 size=-999\n", b"21 hdrcharset=BINARY\n", b"12 size=x12\n", b"")
    )  # fmt: skip
    header = bytearray(512)
    header[:5], header[156:157] = b"name\0", chance.choice((b"x", b"g", b"L", b"K", b"S"))
    header[124:136] = b"%011o\0" % chance.choice((len(record), len(record), 0, 2**30, 2**32))
    header[257:265] = b"ustar\x0000"
    block = _signed(header) + record.ljust(-(-len(record) // 512) * 512, b"\0")
    return block * chance.choice((1, 1, 1, 2, 40, 2000)) + content


# --- CSV and text ---

CELLS = (
    *("", "nan", "inf", "-inf", "1e999", "-1e999", "1e-999", "1_000", "0x10", "٣", "²", "1,5", "1;5", "-0", "9" * 5000),
    *("1949-00", "1949-13", "²²²²-01", "١٩٤٩-01", "0000-01", "9999-12", "10000-01", "-949-01", "1949/01", "01-1949"),
    *('"', '"112', "\0", "\x1a", "=1+1", "x" * 200_000, "🦉", "None", "1949-01\n", " 112 "),
)


def csv(content: bytes, chance: Random) -> bytes:
    """Cells, lines and separators as editors and other programs leave them."""
    lines = content.decode().split("\r\n")
    at = chance.randrange(len(lines))
    kind = chance.randrange(8)
    if kind < 3:
        cells = lines[at].split(",")
        cells[chance.randrange(len(cells))] = chance.choice(CELLS)
        lines[at] = ",".join(cells)
    elif kind == 3:  # a line missing; the headings, too
        del lines[chance.choice((0, at))]
    elif kind == 4:  # a line twice, or in another place
        lines.insert(chance.randrange(len(lines)), lines[at])
    elif kind == 5:
        return _encoded(chance.choice(("\n", "\r", "\n\n", "\r\r\n", ",", "\u2028")).join(lines), chance)
    elif kind == 6:
        lines = [line.replace(",", chance.choice(("\t", ";", " ", ",,"))) for line in lines]
    else:
        lines = [*lines[:at], chance.choice(("\n" * 100_000, "," * 300_000, '"' * 300_001, "a,b\n" * 100_000))]
    return _encoded("\r\n".join(lines), chance)


def text(content: bytes, chance: Random) -> bytes:
    """Other encodings, other line ends, characters that no text has, very long lines."""
    changed = content.decode()
    at = chance.randrange(len(changed))
    odd = chance.choice(("\0", "\ufeff", "\ud800", "🦉", "\r", "\x1a", "é" * 3000, "\U0010ffff", "x" * 10**6))
    changed = chance.choice((changed, changed[:at] + odd + changed[at:], changed.replace("\n", odd), changed[:at]))
    return _encoded(changed, chance)


def _encoded(changed: str, chance: Random) -> bytes:
    usual, other = ("utf-8",) * 4, ("utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1", "cp037")
    encoding = chance.choice(usual + other)
    return changed.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")


# --- safetensors ---

FACTS = (
    *("", "{", "[1]", "7", "null", "NaN", '"text"', "{}", "[" * 100_000, '{"a":' * 50_000, '{"a": ' + "9" * 5000 + "}"),
    *('{"epochs": null}', '{"epochs": [1]}', '{"epochs": [{}]}', '{"run": []}', '{"generators": [{}, {}]}'),
)


def safetensors(content: bytes, chance: Random) -> bytes:
    """A header that says something else about the arrays behind it, or facts that are not what was written."""
    size = int.from_bytes(content[:8], "little")
    header, arrays = json.loads(content[8 : 8 + size]), content[8 + size :]
    facts = header["__metadata__"]["facts"]
    sign, own = ("\n", facts.partition("\n")[2]) if "\n" in facts else ("", facts)
    names = [name for name in header if name != "__metadata__"]
    entry = header[chance.choice(names)]
    kind = chance.randrange(8)
    if kind == 0:
        kinds = ("BF16", "F8_E4M3", "F8_E5M2", "F4", "C64", "BOOL", "I64", "U8", "F64", "F16", "X", "", 3)
        entry["dtype"] = chance.choice(kinds)
    elif kind == 1:
        entry["shape"] = chance.choice(([], [0], [-1], [2**62, 4], [2**40, 0], [1] * 70, ["x"], None, [1.5], [True]))
    elif kind == 2:
        entry["data_offsets"] = [chance.choice(EXTREMES), chance.choice(EXTREMES)]
    elif kind == 3:  # another name, which the network does not have
        odd = chance.choice(("", "\0", "x" * 10**5, "é", "optimizer.t", "\x1b[2J", "model.", "."))
        header[odd] = header.pop(chance.choice(names))
    elif kind == 4:
        value = chance.choice((np.nan, np.inf, -1, 3e38))
        arrays = np.full(len(arrays) // 4 + 1, value, "<f4").tobytes()[: len(arrays)]
    elif kind == 5:
        header["__metadata__"]["facts"] = sign + chance.choice(FACTS)
    elif kind == 6:
        header["__metadata__"]["facts"] = sign + json.dumps(_altered(json.loads(own), chance))
    else:
        length = chance.choice(EXTREMES)
        return struct.pack("<Q", length) + content[8:]
    if kind != 5 and sign:  # else its checksum is all that is ever looked at
        header["__metadata__"]["facts"] = "\n" + header["__metadata__"]["facts"].partition("\n")[2]
    new = json.dumps(header).encode()
    return struct.pack("<Q", len(new)) + new + arrays


def _altered(facts, chance: Random):
    """One thing somewhere in what JSON holds is another."""
    if isinstance(facts, dict | list) and facts and chance.random() < 0.8:
        at = chance.choice(list(facts) if isinstance(facts, dict) else range(len(facts)))
        if chance.random() < 0.2:
            del facts[at]
        else:
            facts[at] = _altered(facts[at], chance)
        return facts
    return chance.choice((None, -1, 2**200, 1.5, float("nan"), "", "x", [], {}, [[]], True, "PCG64", {"state": -1}))
