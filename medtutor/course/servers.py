"""A port for a program that answers on one, and the end of a program that may not end by itself."""

import socket
import subprocess


def free_port():
    """A port that nothing listens on; another program may take it before it is used."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def end(process, seconds=20):
    """Ask a process to end; kill it where it does not, as a server that waits for its kernels may."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
