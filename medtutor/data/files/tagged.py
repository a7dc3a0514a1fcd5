"""Text with a tag for each token, one token a line: the format of the published entity sets."""

import re

from medtutor.data.files.problem import fault, guarded, looks_like, opened

LIMIT = 16 * 2**20  # bytes; the published sets have one or two million
LONGEST = 1000  # bytes in a line
CODE = re.compile(r"[\w.-]{1,40}", re.ASCII)  # what may be quoted in an error


@guarded
def read_tagged(path, *, separator="\t", joint="-", types=None, limit=LIMIT):
    """(sentences, tags) of a file with "token<separator>tag" in each line, an empty one between sentences.

    sentences  tuple of tuples of words (or characters)
    tags       the same shape: "O", "B-Disease", "I-Disease"
    separator  between token and tag: a tab, or " " as in cMedQANER
    joint      between B or I and the type: "-", or "_" as in cMedQANER; it is returned as "-"
    types      the types that may occur, e.g. ("Disease",); None: any
    limit      most bytes that the file may have

    UTF-8, with or without a byte order mark. IOB2: I-x may follow only B-x or I-x. Whatever is wrong is a
    FileProblem with the number of its line; the line is not quoted, for it may be from a patient's record.
    """
    with opened(path, limit) as (file, _):
        data = file.read()
    _check_text(path, data)
    known, cells = {}, {}
    sentences, tags, words, marks = [], [], [], []
    for number, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        text = _text(path, number, line) if line else ""
        if not text:
            if words:
                sentences.append(tuple(words))
                tags.append(tuple(marks))
                words, marks = [], []
            continue
        word, mark = _columns(path, number, text, separator)
        if mark not in known:
            known[mark] = _tag(path, number, mark, joint, types)
        tag = known[mark]
        _check_order(path, number, marks[-1] if marks else "O", tag)
        words.append(cells.setdefault(word, word))
        marks.append(tag)
    if words:
        sentences.append(tuple(words))
        tags.append(tuple(marks))
    if not sentences:
        raise fault(path, "it has no tokens, only empty lines", "get it again from its source")
    return tuple(sentences), tuple(tags)


def _check_text(path, data):
    for mark, name in ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")):
        if data.startswith(mark):
            raise fault(path, f"it is written in {name}", "save it as UTF-8")
    if b"\n" * 1000 in data:
        raise fault(path, "it has a thousand empty lines in a row", "take them out, or get it again")
    kind = looks_like(data[:16])
    if kind:
        raise fault(path, f"not a text of tokens and tags{kind}", "name the text file; unpack it first")


def _text(path, number, line):
    line = line.removesuffix(b"\r")
    if len(line) > LONGEST:
        what = f"line {number} has {len(line):,} bytes, more than {LONGEST:,}"
        raise fault(path, what, "each line must hold one token and its tag")
    if b"\0" in line:
        raise fault(path, f"line {number} has a NUL byte", "it is damaged or no text; get it again")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        at = error.start + 1
    raise fault(path, f"line {number}, byte {at}: not UTF-8", "save it as UTF-8, or get it again")


def _columns(path, number, text, separator):
    cells = text.split(separator)
    if len(cells) != 2 or not all(cells):
        name = {"\t": "tab", " ": "space"}.get(separator, repr(separator))
        filled = sum(map(bool, cells))
        what = (
            f"line {number} has {filled} column{'s' * (filled != 1)}, separated by {len(cells) - 1} × {name}"
        )
        raise fault(path, what + "; wanted are 2", "check `separator`, or mend the line")
    return cells


def _tag(path, number, mark, joint, types):
    """The tag as "O", "B-type" or "I-type"."""
    if mark == "O":
        return mark
    prefix, found, kind = mark.partition(joint)
    shown = repr(mark) if CODE.fullmatch(mark) else "a tag"
    if prefix not in ("B", "I") or not found or not CODE.fullmatch(kind):
        raise fault(path, f"line {number}: {shown} is not O, B{joint}type or I{joint}type", "check `joint`")
    if types is not None and kind not in types:
        raise fault(path, f"line {number}: {shown} is of an unknown type", f"known are {', '.join(types)}")
    return f"{prefix}-{kind}"


def _check_order(path, number, before, tag):
    if tag[0] == "I" and before not in (tag, "B" + tag[1:]):
        what = f"line {number}: {tag} after {before}; an entity begins with B{tag[1:]}"
        raise fault(path, what, "mend the line, or convert the file to IOB2")
