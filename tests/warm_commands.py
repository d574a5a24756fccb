"""The commands `pytest` and `robustsuite` without the seconds that importing torch takes, for tests that run dozens of them.

A server imports what is large and not ours, and forks for every command: the child has the caller's folder, environment and files, and runs
the command's own entry point. `python warm_commands.py SOCKET` is the server; the stubs that `installed` writes are its clients.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LARGE = ("torch", "torchvision", "scipy.stats", "sklearn.datasets", "pandas", "jinja2", "pydantic")

STUB = """#!{python} -ISE
import json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
message = json.dumps([{command!r}, sys.argv, os.getcwd(), dict(os.environ)]).encode()
socket.send_fds(server, [len(message).to_bytes(8, "big")], [0, 1, 2])
server.sendall(message)
sys.exit(server.recv(1)[0])
"""


@contextmanager
def installed(folder: Path) -> Iterator[Path]:
    """A folder for `PATH` with both commands, and the server behind them."""
    folder.mkdir(parents=True, exist_ok=True)
    address = str(folder / "server")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen([sys.executable, __file__, address], env=environment) as server:
        try:
            while not Path(address).exists():
                assert server.poll() is None, "the server of warm commands did not start"
                time.sleep(0.05)
            for command in ("pytest", "robustsuite"):
                stub = folder / command
                stub.write_text(STUB.format(python=sys.executable, address=address, command=command))
                stub.chmod(0o755)
            yield folder
        finally:
            server.terminate()


def serve(address: str) -> None:
    """Fork for every command, for as long as there is a parent."""
    parent = os.getppid()
    for name in LARGE:
        __import__(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address + ".new")
        listening.listen()
        Path(address + ".new").rename(address)
        listening.settimeout(2)
        while os.getppid() == parent:
            try:
                client, _ = listening.accept()
            except TimeoutError:
                continue
            if not os.fork():
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                answer(client)
                os._exit(0)
            client.close()


def answer(client: socket.socket) -> None:
    """Run a client's command in a process of its own, and send its exit code."""
    length, files, _, _ = socket.recv_fds(client, 8, 3)
    message = b""
    while len(message) < int.from_bytes(length, "big"):
        message += client.recv(1 << 16)
    child = os.fork()
    if not child:
        client.close()
        command, arguments, folder, environment = json.loads(message)
        run(command, arguments, folder, environment, files)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    client.sendall(bytes([code if code >= 0 else 128 - code]))  # killed by a signal: as a shell says it


def run(command: str, arguments: list[str], folder: str, environment: dict[str, str], files: list[int]) -> None:
    """Become the command; does not return."""
    for place, file in enumerate(files):
        os.dup2(file, place)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(place, mode, encoding="utf-8") for place, mode in enumerate("rww"))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    sys.path[:0] = filter(None, environment.get("PYTHONPATH", "").split(os.pathsep))
    code = 1
    try:
        if command == "pytest":
            import pytest

            code = pytest.main()
        else:
            from robustsuite.cli import main

            code = main()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
