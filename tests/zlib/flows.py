"""What one does with zlib, step by step. Each function returns what must be the same whatever module it is given.

Compressed bytes are not among it: another version of zlib may find shorter ones.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

TEXT = b"It was the best of times, it was the worst of times. " * 40
NOISE = bytes((i * i * 7 + i // 3) & 255 for i in range(40000))
BOTH = TEXT + NOISE + bytes(100000)


def failure(call: "Any", *arguments: "Any", **options: "Any") -> tuple[str, str]:
    try:
        call(*arguments, **options)
    except Exception as error:  # noqa: BLE001 - whatever it raises is the answer
        return type(error).__name__, str(error)
    return "", ""


def one_shot(zlib: "ModuleType") -> object:
    return [
        zlib.decompress(zlib.compress(data, level)) == data
        for data in (b"", b"a", TEXT, NOISE, BOTH, bytearray(TEXT), memoryview(TEXT))
        for level in (-1, 0, 1, 6, 9)
    ]


def containers(zlib: "ModuleType") -> object:
    made = {wbits: zlib.compress(TEXT, wbits=wbits) for wbits in (9, 15, -9, -15, 25, 31)}
    back = [zlib.decompress(data, wbits) == TEXT for wbits, data in made.items()]
    detected = [zlib.decompress(made[wbits], 47) == TEXT for wbits in (9, 15, 25, 31)]
    return back, detected, [made[31][:2], made[15][:1], len(made[15]) < len(TEXT) // 10]


def buffer_sizes(zlib: "ModuleType") -> object:
    data = zlib.compress(BOTH)
    return [zlib.decompress(data, bufsize=size) == BOTH for size in (0, 1, 7, 16384, 1 << 20)]


def wrong_streams(zlib: "ModuleType") -> object:
    good = zlib.compress(TEXT)
    flipped = good[:20] + bytes([good[20] ^ 255]) + good[21:]
    return [
        failure(zlib.decompress, b""),
        failure(zlib.decompress, b"not a stream"),
        failure(zlib.decompress, good[:-1]),
        failure(zlib.decompress, good[:-1] + b"\0"),
        failure(zlib.decompress, good, -15),
        failure(zlib.decompress, good, 31),
        failure(zlib.decompress, flipped)[0],
        failure(zlib.decompressobj().decompress, b"not a stream"),
        failure(zlib.decompress, "text")[0],
        zlib.decompress(good + b"behind it") == TEXT,
    ]


def wrong_arguments(zlib: "ModuleType") -> object:
    return [
        failure(zlib.compress, b"", 10),
        failure(zlib.compress, b"", wbits=3)[0],
        failure(zlib.compress)[0],
        failure(zlib.compress, "text")[0],
        failure(zlib.compress, data=b"")[0],
        failure(zlib.decompress, b"", bufsize=-1),
        failure(zlib.compressobj, 10),
        failure(zlib.compressobj, wbits=100),
        failure(zlib.compressobj, zdict="text")[0],
        failure(zlib.decompressobj, 100),
        failure(zlib.decompressobj, zdict=5),
        failure(zlib.decompressobj().flush, 0),
        failure(zlib.decompressobj().decompress, b"", -1),
        failure(type(zlib.compressobj()))[0],
        failure(type(zlib.decompressobj()))[0],
    ]


def pieces(zlib: "ModuleType") -> object:
    results = []
    for size in (1, 13, 1000, 1 << 20):
        packer, unpacker = zlib.compressobj(), zlib.decompressobj()
        packed = (
            b"".join(packer.compress(BOTH[i : i + size]) for i in range(0, len(BOTH), size)) + packer.flush()
        )
        parts = [unpacker.decompress(packed[i : i + size]) for i in range(0, len(packed), size)]
        results.append((b"".join(parts) + unpacker.flush() == BOTH, unpacker.eof, unpacker.unused_data))
    return results


def flush_modes(zlib: "ModuleType") -> object:
    results = []
    for mode in ("Z_NO_FLUSH", "Z_PARTIAL_FLUSH", "Z_SYNC_FLUSH", "Z_FULL_FLUSH", "Z_BLOCK"):
        packer, unpacker = zlib.compressobj(), zlib.decompressobj()
        first = packer.compress(TEXT) + packer.flush(getattr(zlib, mode))
        seen = unpacker.decompress(first)
        rest = packer.compress(NOISE) + packer.flush()
        whole = seen + unpacker.decompress(rest) == TEXT + NOISE
        results.append((mode, seen == TEXT if mode.endswith("C_FLUSH") else None, whole, unpacker.eof))
    return results


def after_the_end(zlib: "ModuleType") -> object:
    packer, unpacker = zlib.compressobj(), zlib.decompressobj()
    packed = packer.compress(TEXT) + packer.flush()
    first = unpacker.decompress(packed + b"tail")
    return (
        failure(packer.compress, b"x"),
        failure(packer.flush),
        failure(packer.copy),
        first == TEXT,
        unpacker.eof,
        unpacker.unused_data,
        unpacker.decompress(b" more"),
        unpacker.unused_data,
        unpacker.unconsumed_tail,
        unpacker.flush(),
        failure(unpacker.copy),
    )


def limited_output(zlib: "ModuleType") -> object:
    results = []
    for limit in (1, 100, 4096, 1 << 20):
        unpacker = zlib.decompressobj()
        data, parts, longest = zlib.compress(TEXT + bytes(20000)), [], 0
        while not unpacker.eof:
            parts.append(unpacker.decompress(data, limit))
            longest = max(longest, len(parts[-1]))
            data = unpacker.unconsumed_tail
        results.append(
            (b"".join(parts) == TEXT + bytes(20000), longest, unpacker.unconsumed_tail, unpacker.unused_data)
        )
    return results


def a_bomb_stays_in_its_limit(zlib: "ModuleType") -> object:
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(8)) + packer.flush()
    unpacker = zlib.decompressobj()
    first = unpacker.decompress(bomb, 1000)
    return len(first), len(unpacker.unconsumed_tail) > 0, unpacker.eof, len(unpacker.flush()), unpacker.eof


def rest_by_flush(zlib: "ModuleType") -> object:
    results = []
    for length in (1, 100, 1 << 20):
        unpacker = zlib.decompressobj()
        first = unpacker.decompress(zlib.compress(TEXT) + b"!", max_length=10)
        rest = unpacker.flush(length)
        results.append(
            (first, first + rest == TEXT, unpacker.eof, unpacker.unconsumed_tail, unpacker.unused_data)
        )
    return results


def truncated_in_pieces(zlib: "ModuleType") -> object:
    unpacker = zlib.decompressobj()
    start = unpacker.decompress(zlib.compress(TEXT)[:-5])
    return TEXT.startswith(start), unpacker.flush(), unpacker.eof, unpacker.unused_data


def copies(zlib: "ModuleType") -> object:
    packer = zlib.compressobj()
    start = packer.compress(TEXT)
    other = packer.copy()
    one = start + packer.compress(b"one") + packer.flush()
    two = start + other.__deepcopy__({}).compress(b"") + other.compress(b"two") + other.flush()
    unpacker = zlib.decompressobj()
    begun = unpacker.decompress(one[:10])
    second = unpacker.__copy__()
    ends = [u.decompress(one[10:])[-3:] for u in (unpacker, second)]
    return (
        zlib.decompress(one)[-3:],
        zlib.decompress(two)[-3:],
        len(begun) <= len(TEXT),
        ends,
        second.copy().eof,
    )


def dictionaries(zlib: "ModuleType") -> object:
    words = b"best of times worst of times"
    results: list[object] = []
    for wbits in (15, -15):
        packer = zlib.compressobj(wbits=wbits, zdict=words)
        packed = packer.compress(b"worst of times") + packer.flush()
        results.append(zlib.decompressobj(wbits, zdict=bytearray(words)).decompress(packed))
        results.append(failure(zlib.decompressobj(wbits).decompress, packed)[0])
        results.append(failure(zlib.decompressobj(wbits, zdict=b"another one").decompress, packed)[0])
    return results


def strategies(zlib: "ModuleType") -> object:
    names = ("Z_DEFAULT_STRATEGY", "Z_FILTERED", "Z_HUFFMAN_ONLY", "Z_RLE", "Z_FIXED")
    packers = [
        zlib.compressobj(6, zlib.DEFLATED, 15, memory, getattr(zlib, n))
        for n in names
        for memory in (1, 8, 9)
    ]
    return [zlib.decompress(packer.compress(BOTH) + packer.flush()) == BOTH for packer in packers]


def checksums(zlib: "ModuleType") -> object:
    data = (b"", b"a", TEXT, NOISE, bytearray(b"x"), memoryview(NOISE)[1:7])
    plain = [(zlib.crc32(x), zlib.adler32(x)) for x in data]
    started = [(zlib.crc32(x, 12345), zlib.adler32(x, 12345), zlib.crc32(x, -1)) for x in data]
    return (
        plain,
        started,
        zlib.crc32(NOISE[10:], zlib.crc32(NOISE[:10])) == zlib.crc32(NOISE),
        failure(zlib.crc32, "a")[0],
    )


def constants(zlib: "ModuleType") -> object:
    names = sorted(name for name in dir(zlib) if name.startswith(("Z_", "MAX_", "DEF")))
    version = [part.isdigit() for part in zlib.ZLIB_VERSION.split(".")]
    return (
        [(name, getattr(zlib, name)) for name in names],
        all(version),
        zlib.error.__name__,
        zlib.error.__module__,
    )


def gzip_of_the_standard_library(zlib: "ModuleType") -> object:
    import gzip  # noqa: PLC0415 - it must find the module that is tested
    import io  # noqa: PLC0415

    assert gzip.zlib is zlib  # type: ignore[attr-defined]  # an import of gzip's own
    packed = gzip.compress(TEXT) + gzip.compress(b"second member")
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
        lines = file.read(10), len(file.read())
    written = io.BytesIO()
    with gzip.GzipFile(fileobj=written, mode="wb") as file:
        file.write(BOTH)
    return (
        gzip.decompress(packed) == TEXT + b"second member",
        lines,
        gzip.decompress(written.getvalue()) == BOTH,
    )


FLOWS = [
    one_shot,
    containers,
    buffer_sizes,
    wrong_streams,
    wrong_arguments,
    pieces,
    flush_modes,
    after_the_end,
    limited_output,
    a_bomb_stays_in_its_limit,
    rest_by_flush,
    truncated_in_pieces,
    copies,
    dictionaries,
    strategies,
    checksums,
    constants,
    gzip_of_the_standard_library,
]
