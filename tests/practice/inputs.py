"""Writes the inputs of situations."""
import datetime as dt
import decimal
import gzip
import json
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["arrow", "arrow_stream", "clock", "csv", "decimals", "dt", "every_format", "gzip", "json", "jsonl", "monitor", "np", "os", "pa", "parquet", "pd", "pq", "run_ends", "save", "write"]

BEGIN = dt.datetime(2026, 3, 1, tzinfo=dt.timezone.utc)


def write(path, content):
    """Text or bytes to a file; its folder is made when needed."""
    if os.path.dirname(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())


def jsonl(path, rows, **options):
    """One JSON object a line."""
    write(path, "".join(json.dumps(row, **options) + "\n" for row in rows))


def csv(path, frame, **options):
    frame.to_csv(path, index=False, **options)


def parquet(path, table, **options):
    """A data frame, or columns of Arrow arrays, as Parquet."""
    table = pa.Table.from_pandas(table, preserve_index=False) if isinstance(table, pd.DataFrame) else pa.table(table)
    pq.write_table(table, path, **options)


def arrow(path, table, **options):
    """The same as Arrow IPC file."""
    _ipc(pa.ipc.new_file, path, table, options)


def arrow_stream(path, table, **options):
    _ipc(pa.ipc.new_stream, path, table, options)


def _ipc(new, path, table, options):
    table = pa.Table.from_pandas(table, preserve_index=False) if isinstance(table, pd.DataFrame) else pa.table(table)
    with pa.OSFile(path, "wb") as file, new(file, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)


def every_format(name, frame):
    """A data frame as name.parquet, name.csv, name.arrow and name.jsonl."""
    parquet(name + ".parquet", frame)
    arrow(name + ".arrow", frame)
    csv(name + ".csv", frame)
    jsonl(name + ".jsonl", frame.astype(object).where(frame.notna(), None).to_dict("records"))


def clock(index, an_hour):
    """RFC 3339 time of a record, with `an_hour` records an hour from 2026-03-01 on."""
    return (BEGIN + dt.timedelta(seconds=index * 3600 // an_hour)).strftime("%Y-%m-%dT%H:%M:%SZ")


def monitor(path, *columns, time="ts", length="1h", learn=None, source="", where="", segments="", more=""):
    """A monitor over columns such as "x:numeric", or "score:numeric:path.in.the.record"."""
    text = f'name = "m"\n[source]\ntopics = ["t"]\ntime = "{time}"\n{source}'
    if where:
        text += f"[source.where]\n{where}\n"
    text += f'[window]\nlength = "{length}"\n[judge]\nmin_records = 30\n'
    if learn:
        text += f"[baseline]\nlearn = {learn}\n"
    text += segments + more
    for column in columns:
        name, kind, *rest = column.split(":")
        text += f"[[columns]]\nname = {json.dumps(name)}\ntype = \"{kind}\"\n" + (f"path = {json.dumps(rest[0])}\n" if rest else "")
    write(path, text)


def run_ends(array):
    """The array run-end encoded, a run for each value."""
    return pa.RunEndEncodedArray.from_arrays(pa.array(range(1, len(array) + 1), pa.int32()), array)


def decimals(values, kind):
    """Numbers, or None, as an array of a decimal type."""
    scale = decimal.Decimal(1).scaleb(-kind.scale)
    return pa.array([None if v is None else decimal.Decimal(str(v)).quantize(scale) for v in values], kind)


def save(name, column, array):
    """As Parquet where Parquet has the type, else as Arrow; the path."""
    table = pa.table({column: array})
    if not pa.types.is_run_end_encoded(array.type):
        try:
            pq.write_table(table, name + ".parquet")
            return name + ".parquet"
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid, OSError):
            if os.path.exists(name + ".parquet"):
                os.remove(name + ".parquet")
    arrow(name + ".arrow", table)
    return name + ".arrow"
