"""Fetch the published sets from a mirror or their publisher, know them by checksum, keep them in the cache.

medtutor/data/published.toml says for each set what it is, where it lies and by which checksum it is known.
MEDTUTOR_MIRROR may name a folder or an address (http, https or file) that is asked first, for <set>/<file>.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
import tomllib
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath

from medtutor.data import cache as cache_
from medtutor.data.dataset import Card
from medtutor.data.progress import someone_looks_on

TABLE = Path(__file__).with_name("published.toml")
TIMEOUT = 30  # seconds without a byte before a server counts as silent
WAITS = (1, 3)  # seconds before the second and the third attempt
MOST_IN_ARCHIVE = 256 * 2**20  # bytes of one unpacked member, 100 times the largest there is
STALE = 3600  # seconds after which a half-written file is nobody's any more


class DataNotHere(OSError):
    """The data are not on this machine and could not be fetched; the message says how to get them by hand."""


class WrongChecksum(OSError):
    """A file is not the published one; it was refused and nothing of it was kept."""


class NoChecksum(OSError):
    """No checksum of this file is published; the first copy has to be accepted by an explicit act."""


@dataclass(frozen=True)
class File:
    """A file as its publisher gives it.

    name           as it is called in the cache and at a mirror
    addresses      where it lies, asked in this order
    sha256, md5    its checksum; both None where none is published
    checksum_from  who says so
    bytes          exact size, or None
    about_mb       an estimate of the size in megabyte where it is not known
    members        checksums of the members that are used, by name; members are checked, not the archive
    inside         the folder in the archive that the members lie in
    optional       whether `fetch` leaves it out unless it is asked for
    """

    name: str
    addresses: tuple
    checksum_from: str
    sha256: str | None = None
    md5: str | None = None
    bytes: int | None = None
    about_mb: float | None = None
    members: dict = field(default_factory=dict)
    inside: str = ""
    optional: bool = False

    @property
    def checksum(self):
        """(algorithm, digest), or None where none is published."""
        if self.sha256:
            return "sha256", self.sha256
        return ("md5", self.md5) if self.md5 else None

    @property
    def megabytes(self):
        """The size in megabyte, exact or estimated."""
        return self.bytes / 1e6 if self.bytes else self.about_mb

    @property
    def limit(self):
        """More bytes than this are not downloaded, whatever a server sends."""
        return int(2 * self.megabytes * 1e6) + 2**24


@dataclass(frozen=True)
class Published:
    """A published set: its card, its files, and how many examples it must hold."""

    name: str
    task: str
    card: Card
    files: tuple
    classes: tuple
    counts: dict
    redistribute: bool

    def file(self, wanted):
        """(the File that is `wanted` or holds it as a member, the member's checksum or None)."""
        for each in self.files:
            if each.name == wanted:
                return each, None
            if wanted in each.members:
                return each, ("sha256", each.members[wanted])
        raise ValueError(f"{self.name} has no file {wanted!r}; it has {', '.join(self.names(optional=True))}")

    def names(self, optional=False):
        """Names of the files to have; for an archive whose members are known, those of its members."""
        return [
            name
            for each in self.files
            if optional or not each.optional
            for name in (each.members or [each.name])
        ]


@cache
def sets():
    """Every published set by name, as published.toml has them."""
    with open(TABLE, "rb") as file:
        table = tomllib.load(file)
    return {name: _published(name, entry) for name, entry in table.items()}


def published(name):
    """The set called `name`; an unknown name is answered with near ones."""
    if name in sets():
        return sets()[name]
    raise ValueError(f"no published set is called {name!r}; {near(name, sets())}")


def near(name, names):
    """Names like `name`, or all of them, as the end of a sentence."""
    import difflib

    likely = difflib.get_close_matches(str(name).lower(), names, 3, 0.5)
    return f"did you mean {' or '.join(likely)}?" if likely else f"there are: {', '.join(sorted(names))}"


def folder(name):
    """Where the files of the set `name` lie on this machine, whether they are there or not."""
    return cache_.folder() / "published" / name


def mirror():
    """MEDTUTOR_MIRROR as an address or a Path, or None."""
    named = os.environ.get("MEDTUTOR_MIRROR", "").strip().rstrip("/")
    if not named or named.lower().startswith(("http://", "https://")):
        return named or None
    if named.lower().startswith("file:"):
        from urllib.request import url2pathname

        return Path(url2pathname(named[5:].removeprefix("//").removeprefix("localhost")))
    return Path(named).expanduser()


def fetch(name, files=None, accept_unverified=False, progress=True):
    """The files of the set `name` on this machine, as {file name: Path}; downloaded where they are missing.

    files              names of files or of members of archives; default all that are not optional
    accept_unverified  take a file that no published checksum is known for: its SHA-256 is printed, and from
                       then on it is the only one that is accepted
    progress           whether to show how far a download is

    Each file is compared with its checksum at every call, a cached one as well. Raises DataNotHere,
    WrongChecksum or NoChecksum, all of them OSError; an interruption leaves nothing half.
    """
    each = published(name)
    if not each.files:
        raise DataNotHere(
            f"{each.card.title} may not be passed on ({each.card.licence}). Get your own copy from its "
            f"organisers and name its folder: load_{name}(split, folder=...)"
        )
    wanted = each.names() if files is None else list(files)
    return {file: _at_hand(each, file, accept_unverified, progress) for file in wanted}


def status(name):
    """(file name, state) of each file of the set `name` that is in the cache, optional ones included.

    The state is "good", "unverified" (no checksum is known, none was accepted) or what is wrong.
    """
    each, found = published(name), []
    for wanted in each.names(optional=True):
        path = folder(name) / wanted
        if not path.is_file():
            continue
        known = _known(each, wanted)
        fault = None if known is None else _fault(path, known)
        found.append((wanted, "unverified" if known is None else f"damaged: {fault}" if fault else "good"))
    return found


def members(archive, choose, most=MOST_IN_ARCHIVE):
    """(name, bytes) of each regular file in a zip or tar archive for whose name `choose(name)` is true.

    Nothing is written to disk, so a name cannot lead anywhere. Links, members above `most` bytes and members
    that are cut off raise ValueError with the archive and the fault.
    """
    import tarfile
    import zipfile

    try:
        yield from (_zip_members if zipfile.is_zipfile(archive) else _tar_members)(archive, choose, most)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, NotImplementedError) as error:
        raise ValueError(f"{archive} is not a sound zip or tar archive: {error}") from error


def check_count(name, split, came):
    """Raise ValueError unless `came` is what published.toml counts for `split` of the set `name`."""
    wanted = published(name).counts.get(split)
    if wanted is not None and came != wanted:
        raise ValueError(f"{name}: {split} holds {came:,} examples; as published it holds {wanted:,}")


def _published(name, entry):
    card = Card(
        title=entry["title"],
        what=entry["what"],
        source=entry["source"],
        licence=entry["licence"],
        citation=entry["citation"],
        simulated=False,
        not_for=entry["not_for"],
    )
    return Published(
        name,
        entry["task"],
        card,
        tuple(map(_file, entry["files"])),
        tuple(entry["classes"]),
        entry["counts"],
        entry["redistribute"],
    )


def _file(entry):
    entry = dict(entry)
    lines = [line.split() for line in entry.pop("sums", "").splitlines()]
    addresses = tuple(entry.pop("addresses"))
    return File(addresses=addresses, members={name: digest for digest, name in lines}, **entry)


def _at_hand(each, wanted, accept, progress):
    """The path of a file that is there and right, fetched if need be."""
    file, own = each.file(wanted)
    path = folder(each.name) / wanted
    known = own or _known(each, wanted)
    notes = []
    if path.is_file():
        if known is None:
            _accept(each, file, path, accept)
            return path
        fault = _fault(path, known)
        if fault is None:
            return path
        notes.append(f"{path} was there and is damaged ({fault}).")
    if known is None and not accept:
        raise NoChecksum(_no_checksum(each, file))
    with _making(path) as part:
        source = _from_mirror(each, wanted, file, part, progress, notes)
        if source is None and own:
            return _from_archive(each, file, wanted, progress, notes)
        source = source or _from_publisher(each, file, part, progress, notes)
        if known is None:
            _pin(each, wanted, part)
        elif fault := _fault(part, known):
            raise WrongChecksum(_refusal(wanted, source, file, known, part, fault))
    return path


def _from_mirror(each, wanted, file, part, progress, notes):
    """Copy <mirror>/<set>/<wanted> to `part` and name it, or None where the mirror does not have it."""
    where = mirror()
    if where is None:
        return None
    if isinstance(where, Path):
        path = where / each.name / wanted
        if not path.is_file():
            notes.append(f"The mirror {where} has no {each.name}/{wanted}.")
            return None
        shutil.copyfile(path, part)
        return str(path)
    address = f"{where}/{each.name}/{wanted}"
    fault = _download(address, part, file.limit, wanted, progress)
    if fault:
        notes.append(f"The mirror's {address} could not be had: {fault}.")
    return None if fault else address


def _from_publisher(each, file, part, progress, notes):
    for address in file.addresses:
        fault = _download(address, part, file.limit, file.name, progress)
        if fault is None and part.stat().st_size:
            return address
        fault = fault or "it is empty"
        notes.append(f"{address} could not be had: {fault}.")
    raise DataNotHere(_by_hand(each, file, notes))


def _from_archive(each, file, wanted, progress, notes):
    """Unpack every known member of the archive `file` that is missing, and return the path of `wanted`."""
    by_hand = folder(each.name) / file.name
    if by_hand.is_file():
        _unpack(each, file, by_hand, str(by_hand))
    else:
        with _making(by_hand, keep=False) as part:
            source = _from_mirror(each, file.name, file, part, progress, notes)
            source = source or _from_publisher(each, file, part, progress, notes)
            _unpack(each, file, part, source)
    return folder(each.name) / wanted


def _unpack(each, file, archive, source):
    inside = {file.inside + name: name for name in file.members}
    found = set()
    try:
        for name, content in members(archive, lambda name: name in inside):
            _put_member(each, inside[name], file, content, source)
            found.add(inside[name])
    except ValueError as error:
        raise WrongChecksum(f"{file.name} from {source} was refused and nothing was kept: {error}") from error
    missing = sorted(set(file.members) - found)
    if missing:
        raise WrongChecksum(
            f"{file.name} from {source} was refused: it holds no {file.inside}{missing[0]}"
            + (f" and lacks {len(missing) - 1} more" if missing[1:] else "")
        )


def _put_member(each, name, file, content, source):
    known = ("sha256", file.members[name])
    path = folder(each.name) / name
    with _making(path) as part:
        part.write_bytes(content)
        if fault := _fault(part, known):
            raise WrongChecksum(_refusal(name, f"{file.name} from {source}", file, known, part, fault))


@contextmanager
def _making(path, keep=True):
    """A path to write to, which takes the place of `path` if all goes well and is removed in any case."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.", suffix=".part")
    os.close(handle)
    part = Path(name)
    try:
        yield part
        if keep and part.stat().st_size:
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _sweep(path):
    """Remove what processes that were killed have left of `path`."""
    for part in path.parent.glob(f"{path.name}.*.part"):
        try:
            if time.time() - part.stat().st_mtime > STALE:
                part.unlink()
        except FileNotFoundError:
            pass  # its process has finished meanwhile


def _download(address, part, limit, name, progress):
    """Load `address` into `part`; returns None, or in a few words why it could not be had."""
    from pooch import HTTPDownloader

    fault = None
    for wait in (0, *WAITS):
        time.sleep(wait)
        bar = Bar(name, limit, progress)
        load = HTTPDownloader(
            progressbar=bar,
            chunk_size=2**16,
            timeout=TIMEOUT,
            headers={"User-Agent": "medtutor (python-requests, pooch)", "Accept-Encoding": "identity"},
        )
        try:
            load(address, str(part), None)
            return None
        except Exception as error:  # whatever stops a download, the answer is the same
            fault, again = _why(error)
        finally:
            bar.close()
        if not again:
            break
    return fault


def _why(error):
    """(in a few words what stopped a download, whether a second attempt may help)."""
    import requests

    answer = getattr(error, "response", None)
    if answer is not None:
        reason = f"the server answered {answer.status_code} {answer.reason}"
        return reason, answer.status_code == 429 or answer.status_code >= 500
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "the connection broke off half way", True
    text = " ".join(str(error).split())
    if "NameResolutionError" in text:
        return "its name could not be found (no network?)", False
    if isinstance(error, requests.Timeout) or "timed out" in text:
        return f"the server was silent for {TIMEOUT} seconds", True
    return f"{type(error).__name__}: {text[:200]}", "Connection aborted" in text


class Bar:
    """A progress bar for pooch, shown where someone looks on; it also ends a download that is too long."""

    def __init__(self, name, limit, show=True):
        self.name, self.limit, self.show = name, limit, show and someone_looks_on()
        self.total = self.done = self.percent = self.width = 0

    def update(self, n):
        """`n` bytes more have come."""
        self.done += n
        if self.done > self.limit + 2**16:  # pooch counts the last chunk as full
            raise OSError(f"more than {self.limit:,} bytes came, which is too long for {self.name}")
        percent = 100 * self.done // self.total if self.total else self.done // 2**20
        if self.show and percent != self.percent:
            self.percent = percent
            self._write()

    def reset(self):
        """Pooch starts the count again to fill the bar at the end."""
        self.done = 0

    def close(self):
        """Wipe the line."""
        if self.width:
            print(f"\r{'':<{self.width}}\r", end="", flush=True)

    def _write(self):
        came = f"{min(self.done, self.total or self.done) / 1e6:.1f}"
        of = f" of {self.total / 1e6:.1f} MB, {min(self.percent, 100)} %" if self.total else " MB"
        line = f"{self.name}: {came}{of}"
        self.width = max(self.width, len(line))
        print(f"\r{line:<{self.width}}", end="", flush=True)


def file_digest(path, algorithm):
    """The checksum of a file, e.g. file_digest(path, "sha256")."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _fault(path, known):
    """None if the file at `path` has the checksum `known`, (algorithm, digest); else what it has instead."""
    algorithm, digest = known
    came = file_digest(path, algorithm)
    return None if came == digest else f"{_algorithm(algorithm)} {came}, {path.stat().st_size:,} bytes"


def _algorithm(name):
    return {"sha256": "SHA-256", "md5": "MD5"}[name]


def _known(each, wanted):
    """The checksum by which a file is known, the published or the pinned one; None if neither."""
    file, own = each.file(wanted)
    known = own or file.checksum
    pinned = None if known else _pins(each).get(wanted)
    return known or (("sha256", pinned) if pinned else None)


def _pins(each):
    try:
        pins = json.loads((folder(each.name) / "pinned.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return pins if isinstance(pins, dict) else {}


def _pin(each, wanted, path):
    """Accept the file at `path` as `wanted` from now on."""
    digest = file_digest(path, "sha256")
    print(f"{wanted}: no checksum is published; accepted and pinned:\n  SHA-256 {digest}")
    with _making(folder(each.name) / "pinned.json") as part:
        part.write_text(json.dumps({**_pins(each), wanted: digest}, indent=1) + "\n", encoding="utf-8")


def _accept(each, file, path, accept):
    if not accept:
        raise NoChecksum(_no_checksum(each, file))
    _pin(each, file.name, path)


def _no_checksum(each, file):
    return (
        f"{file.name}: {file.checksum_from}. It lies at {' or '.join(file.addresses)}. If you trust the "
        f"publisher and the connection, accept the first copy once; it is pinned from then on:\n"
        f"  medtutor data fetch {each.name} --accept-unverified\n"
        f"  or in Python: medtutor.data.registry.fetch({each.name!r}, accept_unverified=True)"
    )


def _refusal(wanted, source, file, known, part, fault):
    algorithm, digest = known
    return (
        f"{wanted} from {source} is not the published file; it was refused and nothing of it was kept.\n"
        f"  expected  {_algorithm(algorithm)} {digest}{', ' + _size(file) if wanted == file.name else ''}\n"
        f"  came      {fault}\n"
        f"  likely    {_likely(part, file.bytes if wanted == file.name else None)}\n"
        f"  checksum  from {file.checksum_from}"
    )


def _size(file):
    return f"{file.bytes:,} bytes" if file.bytes else f"about {file.about_mb:g} MB"


def _likely(part, wanted):
    """The likely cause of a wrong checksum, in a clause; `wanted` bytes were expected, None if unknown."""
    with open(part, "rb") as opened:
        start = opened.read(512).lstrip().lower()
    size = part.stat().st_size
    if start.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "a web page came instead: an error page, or the login page of the network you are in"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer came instead of the file that it stands for"
    if wanted and size < wanted:
        return "the copy was cut short or altered; take it from the publisher"
    if wanted and size == wanted:
        return "bits were damaged on the way or on the disk; fetch it again"
    return "the copy was altered, or the publisher has replaced the file by another version"


def _by_hand(each, file, notes):
    """What to do without a network: which file from where, how to know it, where to put it."""
    known = _known(each, file.name)
    check = f"{_algorithm(known[0])} {known[1]}" if known else file.checksum_from
    if file.members:
        check = f"its {len(file.members)} member(s) are checked after unpacking, by {file.checksum_from}"
    return "\n".join(
        [
            f"{file.name} of {each.card.title} is not on this machine and could not be fetched.",
            *(f"  {note}" for note in notes),
            "Download it by hand, on any machine:",
            *(f"  from   {address}" for address in file.addresses),
            f"  check  {check}; {_size(file)}",
            f"  put    {folder(each.name) / file.name}",
            f"Or set MEDTUTOR_MIRROR to a folder or an address that has {each.name}/{file.name}.",
        ]
    )


def _zip_members(archive, choose, most):
    import zipfile

    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if info.is_dir() or not choose(info.filename):
                continue
            _check_size(archive, info.filename, info.file_size, most)
            with opened.open(info) as stream:
                yield info.filename, _bounded(archive, info.filename, stream, most)


def _tar_members(archive, choose, most):
    import tarfile

    with tarfile.open(archive) as opened:
        for info in opened:
            name = str(PurePosixPath(info.name))  # "./a/b" is "a/b"
            if not info.isdir() and choose(name):
                if not info.isreg():
                    raise ValueError(f"{archive} is refused: its member {name} is a link, not a file")
                _check_size(archive, name, info.size, most)
                yield name, _bounded(archive, name, opened.extractfile(info), most)


def _check_size(archive, name, size, most):
    if size > most:
        raise ValueError(f"{archive} is refused: its member {name} has {size:,} bytes, more than {most:,}")


def _bounded(archive, name, stream, most):
    content = stream.read(most + 1)
    _check_size(archive, name, len(content), most)
    return content
