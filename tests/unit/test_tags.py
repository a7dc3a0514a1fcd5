"""Entities as spans and as tags: by hand, over every short row, and as conlleval's rules say word by word."""

import itertools

import pytest

from medtutor.tags import convert, parts, spans, tags

LETTERS = {"BIO": "BI", "BIOES": "BIES"}
NAMES = {scheme: ["O", *(f"{x}-{k}" for x in of for k in ("a", "b-c"))] for scheme, of in LETTERS.items()}
BOTH = pytest.mark.parametrize("scheme", ["BIO", "BIOES"])


def every_row(scheme, longest):
    return itertools.chain(*(itertools.product(NAMES[scheme], repeat=n) for n in range(longest + 1)))


def every_choice_of_spans(n, first=0):
    """All sets of entities of two types that n tokens can hold, each in order."""
    yield []
    for start in range(first, n):
        for end in range(start + 1, n + 1):
            for kind in ("a", "b-c"):
                for rest in every_choice_of_spans(n, end):
                    yield [(start, end, kind), *rest]


def whole_runs(row, scheme):
    """Strict entities, by looking at each stretch of tokens alone."""
    for start, end in itertools.combinations(range(len(row) + 1), 2):
        letters, kinds = zip(*(parts(tag, scheme) for tag in row[start:end]), strict=True)
        letters = "".join(letters)
        if len(set(kinds)) > 1 or kinds[0] == "":
            continue
        if scheme == "BIOES" and letters in ("S", "B" + "I" * (end - start - 2) + "E"):
            yield start, end, kinds[0]
        goes_on = row[end : end + 1] == (f"I-{kinds[0]}",)
        if scheme == "BIO" and letters == "B" + "I" * (end - start - 1) and not goes_on:
            yield start, end, kinds[0]


def as_conlleval(row, scheme):
    """Lenient entities, by conlleval's rules of where a chunk ends and where one starts."""
    letters, kinds = zip(*(parts(tag, scheme) for tag in ("O", *row, "O")), strict=True)
    found, start = [], None
    for i in range(1, len(letters)):
        before, now, other = letters[i - 1], letters[i], kinds[i - 1] != kinds[i]
        if before != "O" and (before in "ES" or now in "BSO" or other):
            found.append((start, i - 1, kinds[i - 1]))
        if now in "BS" or (now in "IE" and (before in "OES" or other)):
            start = i - 1
    return found


def test_a_note_is_read_as_by_hand():
    row = ["O", "B-drug", "I-drug", "O", "B-test", "B-test", "I-test"]
    assert spans(row) == [(1, 3, "drug"), (4, 5, "test"), (5, 7, "test")]
    row = ["S-drug", "B-test", "I-test", "E-test", "S-test"]
    assert spans(row, "BIOES") == [(0, 1, "drug"), (1, 4, "test"), (4, 5, "test")]
    assert spans([]) == spans(["O"]) == []


@pytest.mark.parametrize(
    ("row", "strictly", "else_"),
    [
        ("O I-drug I-drug", [], [(1, 3, "drug")]),
        ("B-drug I-disease", [(0, 1, "drug")], [(0, 1, "drug"), (1, 2, "disease")]),
        ("B-drug I-test I-drug", [(0, 1, "drug")], [(0, 1, "drug"), (1, 2, "test"), (2, 3, "drug")]),
        ("B-drug O I-drug", [(0, 1, "drug")], [(0, 1, "drug"), (2, 3, "drug")]),
    ],
)
def test_an_inside_without_a_begin_is_an_entity_only_where_leniently_read(row, strictly, else_):
    assert spans(row.split()) == strictly
    assert spans(row.split(), strict=False) == else_


@pytest.mark.parametrize("row", ["B-drug O", "B-drug I-drug", "E-drug", "I-drug E-drug", "B-drug E-test"])
def test_a_run_without_its_begin_or_end_is_strictly_none(row):
    assert spans(row.split(), "BIOES") == []
    assert spans(row.split(), "BIOES", strict=False) != []


@BOTH
def test_strict_entities_are_the_whole_runs_of_every_short_row(scheme):
    for row in every_row(scheme, 4):
        assert spans(row, scheme) == list(whole_runs(row, scheme)), row


@BOTH
def test_lenient_entities_are_conllevals_in_every_short_row(scheme):
    for row in every_row(scheme, 4):
        assert spans(row, scheme, strict=False) == as_conlleval(row, scheme), row


@BOTH
@pytest.mark.parametrize("strict", [True, False])
def test_tags_give_back_every_choice_of_spans(scheme, strict):
    for n in range(5):
        for chosen in every_choice_of_spans(n):
            row = tags(n, chosen, scheme)
            assert len(row) == n and spans(row, scheme, strict) == chosen


def test_spans_may_come_in_any_order():
    chosen = [(0, 2, "a"), (2, 3, "b"), (4, 7, "a")]
    wanted = ("B-a", "I-a", "B-b", "O", "B-a", "I-a", "I-a")
    for order in itertools.permutations(chosen):
        assert tags(7, order) == wanted
    assert tags(7, iter(chosen), "BIOES") == ("B-a", "E-a", "S-b", "O", "B-a", "I-a", "E-a")


def test_converting_keeps_the_entities_and_comes_back():
    for n in range(5):
        for chosen in every_choice_of_spans(n):
            row = tags(n, chosen)
            other = convert(row, "BIOES")
            assert spans(other, "BIOES") == chosen and convert(list(other), "BIO") == row


@pytest.mark.parametrize(
    ("row", "to", "said"),
    [
        (["O", "I-drug"], "BIOES", "tag 1 is 'I-drug', which belongs to no whole BIO entity"),
        (["S-drug", "B-drug", "O"], "BIO", "tag 1 is 'B-drug', which belongs to no whole BIOES entity"),
        (["B-drug", "E-drug"], "BIOES", "tag 'E-drug' is none of BIO"),
        (["B-drug"], "IOB", "scheme is 'IOB'; use 'BIO' or 'BIOES'"),
    ],
)
def test_a_row_that_is_not_whole_is_not_converted(row, to, said):
    with pytest.raises(ValueError, match=said):
        convert(row, to)


@pytest.mark.parametrize(
    "tag", ["", "B", "B-", "-drug", "b-drug", "X-drug", "BI-drug", "E-drug", "O-drug", 3]
)
def test_a_tag_that_is_none_is_refused(tag):
    with pytest.raises(ValueError, match="is none of BIO; use 'O' or such as 'B-drug'"):
        spans(["O", tag])


def test_a_text_and_a_scheme_that_are_none_are_refused():
    with pytest.raises(ValueError, match="tags is the text 'OOO'; a list of tags is wanted"):
        spans("OOO")
    for refused in (lambda: spans(["O"], "IOB"), lambda: tags(3, [], "IOB")):
        with pytest.raises(ValueError, match="scheme is 'IOB'; use 'BIO' or 'BIOES'"):
            refused()


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ([(1, 1, "a")], r"a span is \(1, 1, 'a'\) among 3 tokens; 0 <= start < end <= 3"),
        ([(2, 4, "a")], "0 <= start < end <= 3"),
        ([(-1, 2, "a")], "0 <= start < end <= 3"),
        ([(2, 1, "a")], "0 <= start < end <= 3"),
        ([(0, 2, "a"), (1, 3, "b")], r"span \(1, 3, 'b'\) overlaps another"),
        ([(0, 3, "a"), (1, 2, "a")], "overlaps another"),
        ([(0, 1, "")], "its third part must be a type"),
        ([(0, 1, 2)], "its third part must be a type"),
    ],
)
def test_spans_that_cannot_be_tagged_are_refused(chosen, said):
    with pytest.raises(ValueError, match=said):
        tags(3, chosen)
