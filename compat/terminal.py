"""A person at a terminal: programs in a pty, what they print without its colours."""

from __future__ import annotations

import re
import subprocess

import pexpect

from servers import Server, find

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\r")


class Terminal:
    """A program in a pty, at whose prompt one types."""

    def __init__(self, program: str, *arguments: str, prompt: str) -> None:
        self.prompt = prompt
        environment = {"TERM": "dumb", "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
        self._child = pexpect.spawn(
            find(program, f"on Debian: apt-get install {program}"), list(arguments),
            env=environment, encoding="utf-8", timeout=10, dimensions=(50, 200),
        )  # fmt: skip

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_exception) -> None:
        self._child.close(force=True)

    def wait_for(self, text: str) -> str:
        """Waits for a text, which is not a pattern; returns what was printed before it."""
        self._child.expect_exact(text)
        return ESCAPES.sub("", self._child.before)

    def type(self, line: str) -> str:
        """Types a line at the prompt and returns what is printed up to the next prompt."""
        self._child.sendline(line)
        printed = self.wait_for(self.prompt)
        return printed.split("\n", 1)[1].strip() if "\n" in printed else ""

    def enter(self, line: str) -> None:
        """Types a line and waits for nothing."""
        self._child.sendline(line)

    def press(self, character: str) -> None:
        self._child.sendcontrol(character)

    def wait_for_end(self) -> str:
        self._child.expect(pexpect.EOF)
        return ESCAPES.sub("", self._child.before)


def redis_cli(server: Server, *arguments: str, stdin: bytes | None = None, timeout: float = 30) -> str:
    """Runs redis-cli to its end and returns what it printed."""
    command = [find("redis-cli", "on Debian: apt-get install redis-tools"), "-h", server.redis.host]
    done = subprocess.run(
        [*command, "-p", str(server.redis.port), *arguments], input=stdin, capture_output=True, timeout=timeout
    )
    return (done.stdout + done.stderr).decode()
