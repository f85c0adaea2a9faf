"""The conversations in `transcripts/`: good requests and bad input of both protocols, byte for byte."""

import pytest

from transcript import load, play
from wire import Wire

PROTOCOL_OF = {
    "classic.txt": "memcached",
    "meta.txt": "memcached",
    "memcached_bad_input.txt": "memcached",
    "resp_bad_input.txt": "redis",
}
CASES = [
    pytest.param(protocol, case, id=f"{file.removesuffix('.txt')}: {case.name}")
    for file, protocol in PROTOCOL_OF.items()
    for case in load(file)
]


@pytest.mark.parametrize("protocol, case", CASES)
def test_transcript(server, protocol, case):
    with Wire(server, protocol) as wire:
        play(case, wire)
