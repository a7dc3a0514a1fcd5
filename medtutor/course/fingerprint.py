"""A checksum of what code says: comments, docstrings and layout do not count. Each Python gives the same."""

import ast
import hashlib
from pathlib import Path

SILENT = ("ctx", "kind", "type_comment")  # fields that change nothing, or follow from others
WITH_DOCSTRING = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def fingerprint(name, root):
    """The checksum, 64 letters, of the code in the checkout at `root` that a dotted name means.

        medtutor.data.mr                  a package: all of its modules
        medtutor.metrics                  a module
        medtutor.metrics.auroc            a function, class or constant, and what of its module it leans on

    What a module imports from elsewhere is not followed: it has to be named as well.
    Raises LookupError where there is no such code.
    """
    path, rest = _file(name, Path(root))
    if rest:
        return _checksum(lean_on(ast.parse(path.read_text(encoding="utf-8")), rest))
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    return _checksum([_parsed(file, path) for file in files])


def of_text(text, name=None):
    """The checksum of a script's text; with a name, of one function and what of the script it leans on."""
    tree = ast.parse(text)
    return _checksum([tree] if name is None else lean_on(tree, name))


def _file(name, root):
    """(the module's file or the package's folder, what is left of the name: "" or a name in the module)."""
    parts = name.split(".")
    for length in (len(parts), len(parts) - 1):
        place = root.joinpath(*parts[:length])
        if length and place.with_suffix(".py").is_file():
            return place.with_suffix(".py"), ".".join(parts[length:])
        if (place / "__init__.py").is_file():
            rest = ".".join(parts[length:])
            return (place / "__init__.py", rest) if rest else (place, "")
    raise LookupError(f"there is no module {name!r}")


def _parsed(file, package):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return [file.relative_to(package).as_posix() if package.is_dir() else "", tree]


def lean_on(tree, name):
    """The top-level statements that bind `name`, and those that bind what these mention, in file order."""
    bound = {}
    for number, statement in enumerate(tree.body):
        for each in _binds(statement):
            bound.setdefault(each, set()).add(number)
    if name not in bound:
        raise LookupError(f"nothing there is called {name!r}")
    wanted, names = set(), [name]
    while names:
        new = bound.get(names.pop(), set()) - wanted
        wanted |= new
        names += [
            node.id for number in new for node in ast.walk(tree.body[number]) if isinstance(node, ast.Name)
        ]
    return [tree.body[number] for number in sorted(wanted)]


def _binds(statement):
    """The names that a top-level statement gives a value to."""
    if isinstance(statement, WITH_DOCSTRING):
        return {statement.name}
    found = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.alias):
            found.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, WITH_DOCSTRING):
            found.add(node.name)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
    return found


def _checksum(said):
    return hashlib.sha256(repr(_says(said)).encode()).hexdigest()


def _says(node):
    """The tree as nested tuples of text. Empty fields are left out: newer Pythons have more of them."""
    if isinstance(node, ast.AST):
        fields = {name: value for name, value in ast.iter_fields(node) if name not in SILENT}
        if isinstance(node, WITH_DOCSTRING) and ast.get_docstring(node, clean=False) is not None:
            fields["body"] = fields["body"][1:]
        if isinstance(node, ast.JoinedStr):  # early 3.12 ends a nested format with an empty text
            fields["values"] = [each for each in node.values if getattr(each, "value", None) != ""]
        kept = ((name, _says(value)) for name, value in fields.items() if value is not None and value != [])
        return (type(node).__name__, *kept)
    if isinstance(node, list):
        return tuple(map(_says, node))
    return ascii(node)
