"""MoleculeNet: molecules as SMILES strings with a measured property. Nothing here needs rdkit."""

import csv
import gzip
import io

import numpy as np

from medtutor.data import registry
from medtutor.data.dataset import check_split
from medtutor.data.published.common import cut, dataset, hash_order

MOST = 2**24  # bytes that a table may unpack to


def load_esol(split):
    """Solubility in water of 1,128 small molecules.

    x (n,) str, SMILES; y (n,) float32, log10 of mol/L, -11.6 to 1.6. Split at random 80 / 10 / 10 % by the
    string, so that equal strings are on one side: not a scaffold split, results look better than on new
    chemistry. `patients` are molecules.
    Source: Delaney, J Chem Inf Comput Sci 44:1000 (2004), by MoleculeNet, Chem Sci 9:513 (2018).
    """
    check_split(split)
    smiles, values = _table("esol", "delaney-processed.csv", ["measured log solubility in mols per litre"])
    return _molecules("esol", split, smiles, values[:, 0])


def load_bbbp(split):
    """2,050 molecules that pass the blood-brain barrier (y == 1) or do not (y == 0).

    x (n,) str, SMILES; y (n,) int64. Split at random 80 / 10 / 10 % by the string, so that equal strings are
    on one side: not a scaffold split, results look better than on new chemistry. rdkit refuses eleven of the
    strings. `patients` are molecules.
    Source: Martins et al., J Chem Inf Model 52:1686 (2012), by MoleculeNet, Chem Sci 9:513 (2018).
    """
    check_split(split)
    smiles, values = _table("bbbp", "BBBP.csv", ["p_np"])
    if not np.isin(values, (0, 1)).all():
        raise ValueError("BBBP.csv: a label is neither 0 nor 1")
    return _molecules("bbbp", split, smiles, values[:, 0].astype(np.int64))


def load_tox21(split):
    """7,831 molecules in twelve toxicity assays.

    x (n,) str, SMILES; y (n, 12) float32: 1 active, 0 inactive, nan not measured, one column a class. Split
    at random 80 / 10 / 10 % by the string, so that equal strings are on one side: not a scaffold split,
    results look better than on new chemistry. `patients` are molecules.
    Source: Huang et al., Front Environ Sci 3:85 (2016), by MoleculeNet, Chem Sci 9:513 (2018).
    """
    check_split(split)
    smiles, values = _table("tox21", "tox21.csv.gz", registry.published("tox21").classes)
    if not (np.isin(values, (0, 1)) | np.isnan(values)).all():
        raise ValueError("tox21.csv.gz: a label is neither 0 nor 1 nor missing")
    return _molecules("tox21", split, smiles, values)


def _molecules(name, split, smiles, y):
    registry.check_count(name, "rows", len(smiles))
    different = sorted(set(smiles))
    chosen = set(cut([different[i] for i in hash_order(different, name)], split, (0.8, 0.1)))
    rows = [i for i, each in enumerate(smiles) if each in chosen]
    numbers = {each: i for i, each in enumerate(different, 1)}
    return dataset(
        name,
        split,
        np.array([smiles[i] for i in rows], dtype=str),
        y[rows],
        [f"{name}-molecule-{numbers[smiles[i]]:04d}" for i in rows],
        unit="SMILES",
    )


def _table(name, file, columns):
    """(SMILES of each row, the columns as (n, k) float32 with nan where a field is empty)."""
    path = registry.fetch(name, [file])[file]
    rows = list(csv.DictReader(io.StringIO(_text(path))))
    missing = {"smiles", *columns} - set(rows[0] if rows else ())
    if missing:
        raise ValueError(f"{path} has no column {min(missing)!r}; as published it has smiles and {columns}")
    try:
        values = [[float(row[column] or "nan") for column in columns] for row in rows]
        return [row["smiles"].strip() for row in rows], np.array(values, np.float32)
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: a row is cut off or holds a word for a number: {error}") from error


def _text(path):
    with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
        try:
            content = file.read(MOST + 1)
        except (OSError, EOFError) as error:
            raise ValueError(f"{path} is not a sound gzip file: {error}") from error
    if len(content) > MOST:
        raise ValueError(f"{path} unpacks to more than {MOST:,} bytes")
    return content.decode("utf-8-sig")
