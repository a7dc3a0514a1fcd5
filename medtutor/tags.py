"""Entities as spans of tokens, and as one tag a token: BIO and BIOES, from each to the other.

A tag is "O" (outside), or a letter and a type, such as "B-drug". BIO: B begins an entity and I goes on with
it. BIOES: E ends an entity too, and S is an entity of a single token.

A span is (start, end, type): its first token, one past its last, and what it is. So `tokens[start:end]` are
its words and `end - start` counts them.
"""

SCHEMES = {"BIO": ("B", "I"), "BIOES": ("B", "I", "E", "S")}


def spans(tags, scheme="BIO", strict=True):
    """The entities that a row of tags names, in order: a list of (start, end, type).

    strict=True   what is not begun is no entity. BIO: an I-x counts only where B-x, or an I-x that counts
                  itself, stands before it; any other I ends what was open and is ignored. BIOES: an entity is
                  S-x, or B-x, any number of I-x, and E-x; a run without its B or its E is none.
    strict=False  as conlleval reads them: an I-x (or E-x) that does not go on with an x begins one, and in
                  BIOES whatever was begun ends where it does not go on.

    B-drug I-disease: strictly the drug alone, one token long; else a drug and a disease.
    ValueError for an unknown tag or scheme.
    Source: Tjong Kim Sang and De Meulder, CoNLL-2003, W03-0419 (and its script conlleval).
    """
    found, start, kind = [], None, None
    for i, (letter, here) in enumerate([*(parts(tag, scheme) for tag in _row(tags)), ("O", "")]):
        goes_on = letter in "IE" and start is not None and here == kind
        if start is not None and not goes_on:
            if scheme == "BIO" or not strict:
                found.append((start, i, kind))
            start = None
        if letter in "BS" or (letter in "IE" and not goes_on and not strict):
            start, kind = i, here
        if letter in "ES" and start is not None:
            found.append((start, i + 1, kind))
            start = None
    return found


def tags(n, spans, scheme="BIO"):
    """The tags of n tokens among which the spans, (start, end, type) each, are the entities: a tuple of str.

    The spans may come in any order. ValueError where one is empty, leaves 0..n, has no type, or overlaps
    another.
    """
    _check_scheme(scheme)
    marked = ["O"] * n
    for start, end, kind in spans:
        if not 0 <= start < end <= n:
            raise ValueError(
                f"a span is {(start, end, kind)} among {n} tokens; 0 <= start < end <= {n} is wanted, "
                "end one past the last token"
            )
        if not (isinstance(kind, str) and kind):
            raise ValueError(f"a span is {(start, end, kind)}; its third part must be a type, such as 'drug'")
        if any(tag != "O" for tag in marked[start:end]):
            raise ValueError(
                f"span {(start, end, kind)} overlaps another; a token has one tag: keep one of the two"
            )
        letters = ["B", *"I" * (end - start - 1)]
        if scheme == "BIOES":
            letters[-1] = "S" if end - start == 1 else "E"
        marked[start:end] = [f"{letter}-{kind}" for letter in letters]
    return tuple(marked)


def convert(row, to):
    """A row of tags in the other scheme: of BIO tags to="BIOES", of BIOES tags to="BIO";  a tuple of str.

    ValueError where the row is not whole, such as with an I after O: its repair is a decision, which is made
    by tags(len(row), spans(row, scheme, strict), to).
    """
    _check_scheme(to)
    scheme = "BIO" if to == "BIOES" else "BIOES"
    row = tuple(_row(row))
    found = spans(row, scheme)
    for i, (came, whole) in enumerate(zip(row, tags(len(row), found, scheme), strict=True)):
        if came != whole:
            raise ValueError(
                f"tag {i} is {came!r}, which belongs to no whole {scheme} entity; only whole rows are "
                f"converted: choose the entities with spans(row, {scheme!r}, strict) first"
            )
    return tags(len(row), found, to)


def parts(tag, scheme="BIO"):
    """The letter and the type of a tag: ("B", "drug") of "B-drug", ("O", "") of "O"."""
    _check_scheme(scheme)
    letter, _, kind = tag.partition("-") if isinstance(tag, str) else ("", "", "")
    if tag != "O" and not (kind and letter in SCHEMES[scheme]):
        raise ValueError(f"tag {tag!r} is none of {scheme}; use 'O' or such as 'B-drug'")
    return letter, kind


def _check_scheme(scheme):
    if scheme not in SCHEMES:
        raise ValueError(f"scheme is {scheme!r}; use 'BIO' or 'BIOES'")


def _row(tags):
    if isinstance(tags, str):
        raise ValueError(f"tags is the text {tags!r}; a list of tags is wanted, one a token")
    return tags
