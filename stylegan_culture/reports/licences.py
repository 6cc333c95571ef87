"""What the data say of their pictures: licences, titles, dates.

A folder that was collected from a museum has a `manifest.csv` with the columns `licence`, `title`
and `date` (`stylegan_culture.pipelines.museums.ingest`); other tables of tags may have them too.
"""

import pathlib

from stylegan_culture import tables
from stylegan_culture.config import OUTSIDE
from stylegan_culture.pipelines.sampling import identifier

NOT_STATED = "not stated"


def read(data: str) -> dict:
    """`{identifier: row}` of the table that `--data folder:PATH` names or has; {} without one."""
    kind, _, name = data.partition(":")
    if kind != "folder":
        return {}
    path = pathlib.Path(name.removesuffix(OUTSIDE)).expanduser()
    path = path if path.is_file() else path / "manifest.csv"
    if not path.is_file():
        return {}
    header, cells = tables.read(path)
    rows = [dict(zip(header, row, strict=False)) for row in cells]
    rows = [row for row in rows if row.get("path") and row.get("culture")]
    return {
        identifier(row["culture"].split(";")[0].strip(), pathlib.Path(row["path"]).stem): row
        for row in rows
    }


def counts(ids, rows: dict, stated: str) -> dict:
    """Licence to the number of pictures under it, the most frequent first.

    Pictures whose row names none have `stated`, the text that the caller was given for all, or
    "not stated".
    """
    found = {}
    for name in ids:
        licence = (rows.get(name, {}).get("licence") or "").strip() or stated or NOT_STATED
        found[licence] = found.get(licence, 0) + 1
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def caption(name: str, rows: dict) -> str:
    """Title and date of a picture, or the name of its file."""
    row = rows.get(name, {})
    parts = [(row.get(key) or "").strip() for key in ("title", "date")]
    return ", ".join(part for part in parts if part) or name.rpartition("/")[2]
