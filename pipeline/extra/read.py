"""ingest of labelled files beside train: their rows typed by the schema that train and test have settled."""

from __future__ import annotations

from typing import Any

import pandas as pd

from pipeline.engine.stage import Job
from pipeline.files import read_json
from pipeline.raw.beside import read_tables
from pipeline.raw.labelled import read_labelled
from pipeline.raw.sheet import read_sheet
from pipeline.raw.source import fingerprint


def run(job: Job) -> dict[str, Any]:
    """Write extra.parquet: id, the columns of train and test, those of `besides` that are there, and the target.

    What train and test are joined with a file is joined with, too, where it has the columns for it.

    config: besides, columns that train alone has or features.py makes (groups, time, weight). Returns the files'
    fingerprints and row counts, and notes.
    """
    schema = read_json(job.inputs["ingest"] / "schema.json")
    tables, notes = read_tables(job.inputs["ingest"]), list[str]()
    parts, files = [], {}
    with job.log.progress("reading", total=len(job.sources)) as bar:
        for role, path in job.sources.items():
            sheet = read_sheet(path)
            notes += sheet.notes
            for table in tables:
                sheet = table.join(sheet, notes.append) if table.fits(sheet.columns) else sheet
            parts.append(read_labelled(sheet, schema, job.config["besides"], notes.append))
            files[role] = fingerprint(path) | {"rows": len(parts[-1])}
            bar.advance(note=sheet.name)
    pd.concat(parts, ignore_index=True).to_parquet(job.out / "extra.parquet", index=False)
    for note in notes:
        job.log.info(note)
    return {"files": files, "notes": notes, "warnings": []}
