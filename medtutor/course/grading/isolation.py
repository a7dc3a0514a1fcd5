"""What a worker is denied before a student's code runs in it, with nothing but Python and the system's calls.

On Linux: a new network namespace (no network at all) and a new process namespace (all that it starts dies
with it), where the system lets a user make them; Landlock (Linux 5.13 and later) for files, so that nothing
can be written outside its own folder, and the solutions cannot be read; limits of memory, time, processes and
file size.
Elsewhere only what `resource` knows, and the audit hook of the worker.

This file is read by the worker script, which knows nothing of medtutor.
"""

import contextlib
import ctypes
import os
import signal
import struct
import sys

LINUX = sys.platform.startswith("linux")
NEW_MOUNTS, NEW_IPC, NEW_USER, NEW_PIDS, NEW_NET = 0x20000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
SET_PDEATHSIG, SET_DUMPABLE, SET_KEEPCAPS, SET_CHILD_SUBREAPER, SET_NO_NEW_PRIVS = 1, 4, 8, 36, 38
READ_ANY_FILE = 1 << 2  # the capability DAC_READ_SEARCH
NOBODY = 65534
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
READ_FILE, READ_FOLDER = 1 << 2, 1 << 3
WRITE = 0b111111110010  # write, remove, make folders and files
SYSTEM = (
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/self",
    "/sys/devices/system",
    "/dev/random",
    "/dev/urandom",
    "/dev/zero",
)


def _libc():
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option, value):
    return _libc().prctl(option, ctypes.c_ulong(value), 0, 0, 0) == 0


def die_with_parent():
    """Be killed when the process that started this one is gone."""
    if LINUX:
        _prctl(SET_PDEATHSIG, signal.SIGKILL)


def keep_memory_private():
    """Refuse other processes of the same user a look into this one's memory; root may look anyway."""
    if LINUX:
        _prctl(SET_DUMPABLE, 0)


def adopt_orphans():
    """Become the parent of what a child leaves behind, so that `end_orphans` finds it."""
    if LINUX:
        _prctl(SET_CHILD_SUBREAPER, 1)


def end_orphans(tries=50):
    """Kill all children of this process, and theirs; for one that has no other children to keep."""
    for _ in range(tries if LINUX else 0):
        children = []
        with contextlib.suppress(OSError):
            for task in os.listdir("/proc/self/task"):
                with open(f"/proc/self/task/{task}/children") as file:
                    children += map(int, file.read().split())
        if not children:
            return
        for child in children:
            with contextlib.suppress(OSError):
                os.kill(child, signal.SIGKILL)
        for child in children:
            with contextlib.suppress(OSError):
                os.waitpid(child, 0)


# Namespaces


def separate():
    """Leave the network and the other processes behind, for this process's children -> {"network", ...}.

    Must be called before there is a second thread. Without rights to, nothing changes and {} comes back.
    """
    if not LINUX:
        return set()
    user, group = os.getuid(), os.getgid()
    spaces = NEW_NET | NEW_IPC | NEW_PIDS | NEW_MOUNTS
    if os.geteuid() != 0:
        spaces |= NEW_USER
    if _libc().unshare(spaces) != 0:
        return set()
    if spaces & NEW_USER:
        for name, words in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            with contextlib.suppress(OSError), open(f"/proc/self/{name}", "w") as file:
                file.write(words)
    return {"network", "processes"}


def make_small(folder):
    """Let a folder, and this process in it, have room for 64 MB; only where the mounts are its own."""
    private, no_devices = 1 << 18 | 1 << 14, 0b110
    mount = _libc().mount
    if mount(b"none", b"/", None, ctypes.c_ulong(private), None) == 0:
        mount(b"tmpfs", os.fsencode(folder), b"tmpfs", ctypes.c_ulong(no_devices), b"size=64m,mode=700")
        os.chdir(folder)


def give_up_rights(folder):
    """Have no more rights than a stranger: started as root, become nobody, who owns `folder` only."""
    if not LINUX:
        return
    kept = 0
    if os.geteuid() == 0:
        with contextlib.suppress(OSError):  # a container may forbid it
            os.chown(folder, NOBODY, NOBODY)
            _prctl(SET_KEEPCAPS, 1)
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        kept = READ_ANY_FILE  # Python itself may lie in root's home; Landlock says which files are read
    header = struct.pack("Ii", 0x20080522, 0)
    _libc().capset(header, struct.pack("6I", kept, kept, 0, 0, 0, 0))
    _prctl(SET_NO_NEW_PRIVS, 1)
    die_with_parent()  # was forgotten with the change of user


# Files


def readable(paths, hidden):
    """What may be read, so that nothing in `hidden` is among it -> [(path, files too)].

    A folder that holds something hidden is given child by child, and itself to be listed only.
    """
    found = []
    for path in paths:
        path = os.path.realpath(path)
        if not os.path.exists(path) or path in hidden:
            continue
        if not any(each.startswith(path + os.sep) for each in hidden):
            found.append((path, True))
        else:
            found.append((path, False))
            found += readable([entry.path for entry in os.scandir(path)], hidden)
    return found


def confine_files(folder, given):
    """Landlock: write in `folder` only, read there and what is `given`; False where the system has none."""
    if not LINUX:
        return False
    call = _libc().syscall
    version = call(CREATE_RULESET, None, ctypes.c_size_t(0), 1)
    if version < 1:
        return False
    rights = (1 << 13) - 1
    rights |= (1 << 13 if version >= 2 else 0) | (1 << 14 if version >= 3 else 0)
    rules = struct.pack("Q", rights)
    if version >= 4:
        rules += struct.pack("Q", 0b11)  # no TCP
    if version >= 6:
        rules += struct.pack("Q", 0b11)  # no signals to, and no abstract sockets of, processes outside
    ruleset = call(CREATE_RULESET, rules, ctypes.c_size_t(len(rules)), 0)
    if ruleset < 0:
        return False
    truncate = rights & (1 << 14)
    for path, files_too in [(path, True) for path in SYSTEM] + list(given):
        _allow(call, ruleset, path, READ_FILE | READ_FOLDER if files_too else READ_FOLDER)
    _allow(call, ruleset, "/dev/null", READ_FILE | 0b10 | truncate)
    _allow(call, ruleset, folder, READ_FILE | READ_FOLDER | WRITE | truncate)
    _prctl(SET_NO_NEW_PRIVS, 1)
    done = call(RESTRICT_SELF, ruleset, 0) == 0
    os.close(ruleset)
    return done


def _allow(call, ruleset, path, rights):
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(path):
        rights &= READ_FILE | 0b10 | 1 << 14
    call(ADD_RULE, ruleset, 1, struct.pack("=Qi", rights, place), 0)
    os.close(place)


# Limits


def limit(cpu, processes):
    """Bound the time on a processor, the processes, and the size of files."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for name, most in (
        ("RLIMIT_CPU", cpu),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_FSIZE", 16 * 2**20),
        ("RLIMIT_NOFILE", 128),
        ("RLIMIT_NPROC", processes),
    ):
        _limit(resource, name, most)


def limit_memory(megabytes):
    """Bound the memory that is taken from now on."""
    try:
        import resource
    except ImportError:  # Windows
        return
    used = 0
    with contextlib.suppress(OSError), open("/proc/self/statm") as file:
        used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    _limit(resource, "RLIMIT_AS", used + megabytes * 2**20)


def _limit(resource, name, most):
    with contextlib.suppress(ValueError, OSError, AttributeError):
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            most = min(most, hard)
        resource.setrlimit(kind, (most, most))


def tasks():
    """Processes and threads that this user has now, which a limit of processes counts."""
    count = 0
    with contextlib.suppress(OSError):
        for entry in os.scandir("/proc"):
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and entry.stat().st_uid == os.getuid():
                    count += len(os.listdir(f"{entry.path}/task"))
    return count
