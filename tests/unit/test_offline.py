import os
import socket
import subprocess
import sys
import threading

import pytest

ELSEWHERE = "192.0.2.1"  # set aside for documentation: no machine has it


def kernel(code):
    """The last line on stderr and the exit status of a Python that is started as a kernel is."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    return (done.stderr.strip().splitlines() or [""])[-1], done.returncode


def refused():
    return pytest.raises(RuntimeError, match="tests run offline, and only this machine may be reached")


def test_a_connection_to_another_machine_is_refused():
    with socket.socket() as tcp, refused():
        tcp.connect((ELSEWHERE, 80))


def test_connect_ex_which_never_raises_is_refused_too():
    with socket.socket() as tcp, refused():
        tcp.connect_ex((ELSEWHERE, 80))


def test_a_packet_to_another_machine_is_refused():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, refused():
        udp.sendto(b"hello", (ELSEWHERE, 53))


@pytest.mark.skipif(not hasattr(socket.socket, "sendmsg"), reason="this system has no sendmsg")
def test_a_message_to_another_machine_is_refused():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, refused():
        udp.sendmsg([b"hello"], [], 0, (ELSEWHERE, 53))


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python has no IPv6")
def test_a_connection_by_ipv6_is_refused():
    try:
        tcp = socket.socket(socket.AF_INET6)
    except OSError:
        pytest.skip("this system has no IPv6")
    with tcp, refused():
        tcp.connect(("2001:db8::1", 80))


@pytest.mark.parametrize("look_up", [socket.gethostbyname, lambda name: socket.getaddrinfo(name, 80)])
def test_looking_up_a_name_is_refused(look_up):
    with refused():
        look_up("example.invalid")


def test_a_name_that_only_looks_like_this_machine_is_refused():
    with refused():
        socket.getaddrinfo("localhost.example.invalid", 80)


@pytest.mark.parametrize("host", [ELSEWHERE, "10.0.0.1", "0.0.0.0", "example.invalid", b"example.invalid"])
def test_a_kernel_is_refused_too(host):
    said, status = kernel(f"import socket; socket.create_connection(({host!r}, 80), timeout=5)")
    assert status == 1
    assert "NetworkRefused" in said and "tests run offline" in said


def test_urllib_in_a_kernel_is_refused_at_once():
    said, status = kernel("import urllib.request as u; u.urlopen('http://example.invalid/', timeout=5)")
    assert status == 1 and "NetworkRefused" in said


def test_a_kernel_of_a_kernel_is_refused():
    inner = f"import socket; socket.create_connection(('{ELSEWHERE}', 80), timeout=5)"
    outer = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-c', {inner!r}]).returncode)"
    said, status = kernel(outer)
    assert status == 1 and "NetworkRefused" in said


def test_without_the_folder_on_the_path_a_kernel_is_not_held_to_it():
    """So it is our file that refuses, and not the machine that happens to be offline."""
    code = "import sys; sys.exit(getattr(sys, 'network_refused', False))"
    free = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    assert subprocess.run([sys.executable, "-c", code], env=free).returncode == 0
    assert subprocess.run([sys.executable, "-c", code]).returncode == 1


def echo_once(server):
    server.listen()

    def answer():
        there, _ = server.accept()
        with there:
            there.sendall(there.recv(5).upper())

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_this_machine_itself_can_be_reached(host):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        thread = echo_once(server)
        with socket.create_connection((host, server.getsockname()[1]), timeout=10) as client:
            client.sendall(b"hello")
            assert client.recv(5) == b"HELLO"
        thread.join(10)


def test_a_kernel_reaches_this_machine():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        thread = echo_once(server)
        port = server.getsockname()[1]
        said, status = kernel(
            f"import socket; there = socket.create_connection(('127.0.0.1', {port}), timeout=10)\n"
            "there.sendall(b'hello'); assert there.recv(5) == b'HELLO'"
        )
        assert (said, status) == ("", 0)
        thread.join(10)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no unix sockets")
def test_a_unix_socket_can_be_reached(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a unix socket's path is short; a relative one always is
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind("door")
        thread = echo_once(server)
        client.connect("door")
        client.sendall(b"hello")
        assert client.recv(5) == b"HELLO"
        thread.join(10)


EVENT_LOOP = """
import asyncio
async def main():
    async def answer(reader, writer):
        writer.write((await reader.readexactly(5)).upper())
        writer.close()
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"HELLO"
        writer.close()
asyncio.run(main())
"""


def test_an_event_loop_works_as_servers_need_it():
    assert kernel(EVENT_LOOP) == ("", 0)


def test_this_machines_own_name_may_be_asked_for():
    try:
        socket.gethostbyname(socket.gethostname())
    except OSError:
        pass  # a machine need not know its own name; what matters is that the hook did not object
