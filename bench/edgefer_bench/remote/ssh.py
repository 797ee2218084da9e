"""Commands on another machine through the user's own ssh: agents, jump hosts and known hosts as they are."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

from edgefer_bench.remote.hosts import Host
from edgefer_runtime.errors import DeviceError, MissingError
from edgefer_runtime.leash import BEAT_S

CONNECT_S = 10
POLL_S = 0.01
SSH_PORT = 22
MOST_BYTES = 4 << 20
"""Of an answer, unless its caller knows better."""

LAST_BYTES = 1 << 16
"""Of what is said on stderr, the last of which says why."""

LONGEST_LINE = 1 << 16
FAILED = 255
"""Exit code of ssh itself; any other is the command's."""

_OPTIONS = (
    "BatchMode=yes",
    f"ConnectTimeout={CONNECT_S}",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
)


class Connection:
    """Runs commands on a host: inside of ``with`` over one connection that they share, else over one each."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self._closing = ExitStack()
        self._sharing: tuple[str, ...] = ()

    def __enter__(self) -> Connection:
        """Shake hands once for all commands to come; when that connection breaks, each makes its own again.

        Raises:
            DeviceError: the host cannot be reached.
        """
        with ExitStack() as opening:
            folder = opening.enter_context(tempfile.TemporaryDirectory(prefix="edgefer-ssh-"))
            socket = Path(folder) / "s"  # a socket's path may have a hundred characters
            sharing = ("-S", str(socket))
            master = self._ssh([*sharing, "-M", "-N"], [], stdin=subprocess.DEVNULL)
            opening.callback(_end, master)
            while not socket.exists():
                if master.poll() is not None:
                    assert master.stderr is not None
                    raise unreachable(self.host, master.stderr.read().decode(errors="replace").strip())
                time.sleep(POLL_S)
            self._sharing, self._closing = sharing, opening.pop_all()
        return self

    def __exit__(self, *raised: object) -> None:
        self._sharing = ()
        self._closing.close()

    def run(
        self,
        words: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout_s: float = 120,
        most_bytes: int = MOST_BYTES,
    ) -> Answer:
        """Run a command to its end; of what it prints, no more than ``most_bytes`` is kept or waited for.

        Raises:
            DeviceError: the host cannot be reached, does not answer in time, or does not stop answering.
        """
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        with self._start(words) as process:
            assert process.stdin is not None and process.stderr is not None and process.stdout is not None
            stdout = process.stdout
            timer = threading.Timer(timeout_s, give_up)
            with ExitStack() as ending, ThreadPoolExecutor(2) as aside:
                timer.start()
                ending.callback(timer.cancel)
                told = aside.submit(_last, process.stderr)
                sending = aside.submit(_write, process.stdin, stdin)
                out = stdout.read(most_bytes + 1)
                if len(out) > most_bytes:
                    process.kill()
                sending.result()
                words_told = told.result()
                process.wait()
        if late.is_set():
            raise DeviceError(
                f"{self.host.name} does not answer: {shlex.join(words)[:60]} took over {timeout_s:g} s",
                action="see what it is busy with, and try again",
            )
        if len(out) > most_bytes:
            raise DeviceError(
                f"{self.host.name} prints more than {most_bytes:,} bytes: {shlex.join(words)[:60]}",
                expected="an answer of edgefer's",
                action="see what else its shell prints at login (~/.bashrc, ~/.profile)",
            )
        return self._answer(process.returncode, out, words_told)

    def send(self, words: Sequence[str], write: Callable[[IO[bytes]], None]) -> Answer:
        """Run a command whose standard input ``write`` fills; what it no longer takes is not written."""
        with self._start(words) as process:
            assert process.stdin is not None and process.stderr is not None and process.stdout is not None
            with suppress(BrokenPipeError):
                write(process.stdin)
            with suppress(BrokenPipeError):
                process.stdin.close()
            told, out = _last(process.stderr), _last(process.stdout)
        return self._answer(process.wait(), out, told)

    def follow(self, words: Sequence[str], on_line: Callable[[str], None]) -> Answer:
        """Run a command, hand over its lines as they come, and tell it every few seconds that we are here."""
        over = threading.Event()
        told: list[bytes] = []
        with self._start(words) as process:
            assert process.stdin is not None and process.stderr is not None and process.stdout is not None
            stdin, stderr = process.stdin, process.stderr

            def beat() -> None:
                with suppress(OSError, ValueError):
                    while not over.wait(BEAT_S):
                        stdin.write(b"\n")
                        stdin.flush()

            helpers = [
                threading.Thread(target=beat, daemon=True),
                threading.Thread(target=lambda: told.append(_last(stderr)), daemon=True),
            ]
            for helper in helpers:
                helper.start()
            try:
                while line := process.stdout.readline(LONGEST_LINE):
                    on_line(line.decode(errors="replace").rstrip())
            except BaseException:
                process.kill()
                raise
            finally:
                over.set()
            code = process.wait()
            helpers[1].join()
        return self._answer(code, b"", b"".join(told))

    def fetch(self, path: str, into: Path, most_bytes: int) -> None:
        """Copy a file of at most ``most_bytes`` from the host.

        Raises:
            DeviceError: it is not there, is larger, or the connection broke.
        """
        answer = self.run(["cat", "--", path], timeout_s=600, most_bytes=most_bytes)
        if answer.code:
            raise DeviceError(f"{self.host.name}: {path} cannot be read ({answer.told})")
        into.write_bytes(answer.out)

    def _start(self, words: Sequence[str]) -> subprocess.Popen[bytes]:
        return self._ssh(self._sharing, [shlex.join(words)], stdin=subprocess.PIPE)

    def _ssh(self, more: Sequence[str], words: Sequence[str], *, stdin: int) -> subprocess.Popen[bytes]:
        port = [] if self.host.port is None else ["-p", str(self.host.port)]
        options = [word for option in _OPTIONS for word in ("-o", option)]
        own = [str(Path(word).expanduser()) for word in self.host.ssh_options]
        command = ["ssh", *more, *options, *port, *own, "--", self.host.address, *words]
        try:
            return subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except FileNotFoundError:
            raise MissingError(
                "ssh is not installed", expected="OpenSSH's client", action="apt-get install openssh-client"
            ) from None

    def _answer(self, code: int, out: bytes, told: bytes) -> Answer:
        text = told.decode(errors="replace").strip()
        if code == FAILED:
            raise unreachable(self.host, text)
        return Answer(code, out, text)


def _write(stdin: IO[bytes], data: bytes) -> None:
    with suppress(OSError):  # who does not read it to its end says why on stderr
        stdin.write(data)
    with suppress(OSError):
        stdin.close()


def _last(stream: IO[bytes]) -> bytes:
    """The end of what a stream says until it is closed."""
    kept = b""
    while piece := stream.read(LAST_BYTES):
        kept = (kept + piece)[-LAST_BYTES:]
    return kept


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.communicate()


class Answer:
    """How a command ended: its exit ``code``, what it printed (``out``) and what it ``told`` on stderr."""

    def __init__(self, code: int, out: bytes, told: str) -> None:
        self.code, self.out, self.told = code, out, told


def unreachable(host: Host, told: str) -> DeviceError:
    """The error that says in plain words why ssh failed."""
    port = "" if host.port is None else f"-p {host.port} "
    own = f"{shlex.join(host.ssh_options)} " if host.ssh_options else ""
    known = f"ssh {port}{own}{host.address} once, and compare the fingerprint"
    forget = f"ssh-keygen -R {_known_as(host)} if it was set up anew, then {known}"
    asked = f" ({host.port})" if host.port else ""
    causes = (
        ("IDENTIFICATION HAS CHANGED", "its host key is not the one known here", forget),
        ("Host key verification failed", "its host key is not known here", known),
        ("Permission denied", "it takes none of the keys offered", f"ssh-copy-id {port}{host.address}"),
        ("Could not resolve", "nobody knows that name", "check the name, or add it to ~/.ssh/config"),
        (
            "Connection refused",
            "no ssh server listens there",
            f"start sshd there, or check name and port{asked}",
        ),
        ("timed out", "it does not answer", "check that it is on and in this network"),
        ("No route to host", "it does not answer", "check that it is on and in this network"),
    )
    for sign, found, action in causes:
        if sign.lower() in told.lower():
            return DeviceError(
                f"{host.name} cannot be reached: {found}", expected="a host that ssh reaches", action=action
            )
    last = told.splitlines()[-1] if told else "it closed without a word"
    return DeviceError(
        f"the connection to {host.name} was lost ({last})",
        expected="a connection that lasts",
        action="measure again: the host ends what was running within half a minute and removes its files",
    )


def _known_as(host: Host) -> str:
    """What ``known_hosts`` calls a host, quoted for a shell where that is needed."""
    bare = host.address.rpartition("@")[2]
    return bare if host.port in (None, SSH_PORT) else shlex.quote(f"[{bare}]:{host.port}")
