r"""Plays conversations that are written down in `transcripts/`, byte for byte.

    # what the case shows
    > set a 0 0 1          sent, with \r\n behind it
    >> half a line         sent as it is
    < STORED               the next line received, without its \r\n
    << $3\r\nabc           the next bytes received
    ! closed               the server ends the connection
    ~ 1.1                  a pause in seconds
    ; remark

Both directions take Python's escapes (`\x00`) and `{"x" * 251}`, a repeated string. In received lines
`{name}` remembers a number, `{99|100}` takes either text and `{*}` takes anything; in sent ones `{name}`
stands for the remembered number. A case that leaves the connection open also proves that nothing is
left unread in it.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path

from wire import Wire

FOLDER = Path(__file__).parent / "transcripts"


@dataclass(frozen=True)
class Case:
    name: str
    where: str
    steps: list[tuple[int, str, str]]  # line number, verb, text


def load(file: str) -> list[Case]:
    cases: list[Case] = []
    for number, line in enumerate((FOLDER / file).read_text(encoding="ascii").splitlines(), 1):
        verb, _, text = line.partition(" ")
        if verb == "#":
            cases.append(Case(text, f"{file}:{number}", []))
        elif verb in STEPS:
            cases[-1].steps.append((number, verb, text))
        elif verb not in ("", ";"):
            raise ValueError(f"{file}:{number}: a line must not begin with {verb!r}")
    return cases


def play(case: Case, wire: Wire) -> None:
    memory: dict[str, str] = {}
    for number, verb, text in case.steps:
        STEPS[verb](wire, text, memory, f"{case.where.partition(':')[0]}:{number}")
    if ("!", "closed") not in [step[1:] for step in case.steps]:
        left = wire.exchange(b"")
        assert left == b"", f"{case.where}: the server said more than expected: {left!r}"
        assert not wire.closed_by_peer, f"{case.where}: the server closed the connection"


def _send_line(wire: Wire, text: str, memory: dict[str, str], _where: str) -> None:
    wire.send(_bytes(text, memory) + b"\r\n")


def _send_raw(wire: Wire, text: str, memory: dict[str, str], _where: str) -> None:
    wire.send(_bytes(text, memory))


def _expect_line(wire: Wire, text: str, memory: dict[str, str], where: str) -> None:
    _match(wire.read_line(), text + r"\r\n", memory, where)


def _expect_raw(wire: Wire, text: str, memory: dict[str, str], where: str) -> None:
    _match(wire.read_exactly(len(_bytes(text, memory))), text, memory, where)


def _expect_close(wire: Wire, text: str, _memory: dict[str, str], where: str) -> None:
    assert text == "closed", f"{where}: `!` is followed by `closed`"
    left = wire.read_to_end()
    assert left == b"", f"{where}: expected the end of the connection, received {left!r}"


def _pause(_wire: Wire, text: str, _memory: dict[str, str], _where: str) -> None:
    time.sleep(float(text))


STEPS = {
    ">": _send_line,
    ">>": _send_raw,
    "<": _expect_line,
    "<<": _expect_raw,
    "!": _expect_close,
    "~": _pause,
}

_HOLE = re.compile(
    r"""\{(?:
        "(?P<text>[^"]+)"\ \*\ (?P<count>\d+) | (?P<name>[a-z_]+) | (?P<either>[^{}|"]*\|[^{}"]*) | (?P<any>\*)
    )\}""",
    re.VERBOSE,
)


def _bytes(text: str, memory: dict[str, str]) -> bytes:
    def fill(hole: re.Match) -> str:
        if hole["text"]:
            return hole["text"] * int(hole["count"])
        return memory[hole["name"]]

    return _unescape(_HOLE.sub(fill, text))


def _unescape(text: str) -> bytes:
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


def _match(received: bytes, text: str, memory: dict[str, str], where: str) -> None:
    pattern, position = b"", 0
    for hole in _HOLE.finditer(text):
        pattern += re.escape(_unescape(text[position : hole.start()]))
        if hole["text"]:
            pattern += re.escape(_unescape(hole["text"]) * int(hole["count"]))
        elif hole["either"]:
            choices = hole["either"].split("|")
            pattern += b"(?:" + b"|".join(re.escape(_unescape(choice)) for choice in choices) + b")"
        elif hole["any"]:
            pattern += b"[^\r\n]*"
        elif hole["name"] in memory:
            pattern += re.escape(memory[hole["name"]].encode())
        else:
            pattern += f"(?P<{hole['name']}>[0-9]+)".encode()
        position = hole.end()
    pattern += re.escape(_unescape(text[position:]))
    found = re.fullmatch(pattern, received, re.DOTALL)
    assert found, f"{where}: expected {text!r}, received {received!r}"
    memory.update({name: value.decode() for name, value in found.groupdict().items()})
