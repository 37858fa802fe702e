"""Response bodies to scan: JSON as an API would answer it, text as a log would hold it, the same each time.

In a body with findings, a share of the records holds an e-mail address, a social security number, a card
number that passes its checksum, and every other time a phone number.
"""

from __future__ import annotations

import json
import random
import uuid
from typing import Any


def _words(text: str) -> list[str]:
    return text.split()


_FIRST = _words(
    "Ana Luis Mei Omar Priya Jonas Fatima Noah Olga Kenji Sara Pedro Ingrid Tariq Chloe Ivan Lucia"
)
_LAST = _words(
    "Garcia Chen Haddad Patel Berg Rossi Okafor Smith Tanaka Lopez Silva Dahl Khan Novak Costa Weiss"
)
_GOODS = ["wireless keyboard", "usb-c hub", "desk lamp", "office chair", "27 inch monitor", "water bottle"]
_WORDS = _words("""
    the of and request service user returned after when connection was closed by remote peer while reading
    response cache miss for key item order shipped customer invoice total updated account status pending retry
    queue worker finished job scheduled report generated latency high memory usage normal deploy version node
""")

JSON_SHARE = 0.2
TEXT_SHARE = 0.02


def bodies() -> dict[str, bytes]:
    """Return all files to serve, by name."""
    return {
        "empty.json": b"",
        "1k.json": api_json(1 << 10, seed=1, share=0),
        "16k.json": api_json(16 << 10, seed=2, share=0),
        "256k.json": api_json(256 << 10, seed=3, share=0),
        "1m.txt": log_text(1 << 20, seed=4, share=0),
        "16k-found.json": api_json(16 << 10, seed=2, share=JSON_SHARE),
        "256k-found.json": api_json(256 << 10, seed=3, share=JSON_SHARE),
        "1m-found.txt": log_text(1 << 20, seed=4, share=TEXT_SHARE),
    }


def api_json(size: int, *, seed: int, share: float) -> bytes:
    """Return the first `size` bytes of a JSON list of records, `share` of them with findings."""
    chance, records, length = _chance(seed), [], 0
    while length < size:
        records.append(_record(chance, found=chance.random() < share))
        length += len(json.dumps(records[-1], separators=(",", ":"))) + 1
    return json.dumps({"data": records}, separators=(",", ":")).encode()[:size]


def log_text(size: int, *, seed: int, share: float) -> bytes:
    """Return the first `size` bytes of log lines and prose, `share` of the lines with findings."""
    chance, lines, length = _chance(seed), [], 0
    while length < size:
        words = " ".join(chance.choices(_WORDS, k=chance.randint(6, 24)))
        line = f"{_time(chance)} INFO [worker-{chance.randint(1, 32)}] {words} id={_uuid(chance)}"
        if chance.random() < share:
            line += f" contact {chance.choice(_FIRST).lower()}@corp.example.com ssn {_ssn(chance)}"
        lines.append(line)
        length += len(line) + 1
    return "\n".join(lines).encode()[:size]


def _chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - the same bodies each time are the point


def _record(chance: random.Random, *, found: bool) -> dict[str, Any]:
    first, last = chance.choice(_FIRST), chance.choice(_LAST)
    record: dict[str, Any] = {
        "id": _uuid(chance),
        "seq": chance.randint(1, 99999),
        "first_name": first,
        "last_name": last,
        "score": round(chance.random() * 100, 3),
        "created_at": _time(chance),
        "items": [
            {
                "sku": f"SKU-{chance.randint(0, 99999):05d}",
                "name": chance.choice(_GOODS),
                "qty": chance.randint(1, 5),
            }
            for _ in range(chance.randint(1, 3))
        ],
        "note": " ".join(chance.choices(_WORDS, k=chance.randint(4, 14))),
        "href": f"/api/v2/users/{chance.randint(1, 99999)}/orders?page={chance.randint(1, 9)}",
    }
    if found:
        record["email"] = f"{first}.{last}@mail{chance.randint(1, 9)}.example.org".lower()
        record["ssn"] = _ssn(chance)
        record["card"] = _card(chance)
        if chance.random() < 0.5:
            record["phone"] = (
                f"({chance.randint(200, 989)}) {chance.randint(200, 999)}-{chance.randint(0, 9999):04d}"
            )
    return record


def _uuid(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _time(chance: random.Random) -> str:
    day, hour = (
        f"2025-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}",
        f"{chance.randint(0, 23):02d}",
    )
    return (
        f"{day}T{hour}:{chance.randint(0, 59):02d}:{chance.randint(0, 59):02d}.{chance.randint(0, 999):03d}Z"
    )


def _ssn(chance: random.Random) -> str:
    return f"{chance.randint(100, 899)}-{chance.randint(10, 99)}-{chance.randint(1000, 9999)}"


def _card(chance: random.Random) -> str:
    """Return 16 digits that start with 4 and pass Luhn's checksum."""
    digits = "4" + "".join(chance.choices("0123456789", k=14))
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(digits)]
    total = sum(number if number < 10 else number - 9 for number in doubled)
    return digits + str(-total % 10)
