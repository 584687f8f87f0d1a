#!/usr/bin/env python3
"""driftd compare beside the alternatives, on the same files in the same run: CPU seconds and peak memory.

    cargo build --release --locked
    python3 -m venv /tmp/beside && /tmp/beside/bin/pip install numpy pyarrow duckdb
    /tmp/beside/bin/python benches/beside.py [ROWS]            # 1,000,000 rows of 30 columns a side when absent

With `evidently==0.7.21 "pandas<3"` installed, too, its DataDriftPreset runs on the same files. DuckDB counts 500 given bins of each
numeric column and the values of each categorical one in one SQL statement a file: what a careful user would write; placing the bins
is not in its time, but is in driftd's.
"""
import os, resource, subprocess, sys, tempfile, time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
HERE = os.path.dirname(os.path.abspath(__file__))
DRIFTD = os.path.join(HERE, "..", "target", "release", "driftd")


def table(seed):
    r = np.random.default_rng(seed)
    columns = {}
    for i in range(20):
        columns[f"n{i}"] = r.normal(i, 1 + i / 10, ROWS) if i % 2 else r.lognormal(0, 1, ROWS)
    for i in range(5):
        columns[f"i{i}"] = r.integers(0, 100 * (i + 1), ROWS)
    names = np.array([f"cat{j}" for j in range(50)])
    for i in range(5):
        columns[f"c{i}"] = pa.array(names[np.minimum(r.zipf(1.5, ROWS), 50) - 1])
    return pa.table(columns)


def child(title, arguments):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.time()
    done = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = done.communicate()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode not in (0, 3):
        print(f"{title}: {err.decode().strip().splitlines()[-1:]}")
        return
    print(f"{title}: {cpu:.2f} CPU s, {time.time() - start:.2f} s, {2 * ROWS / cpu / 1e6:.2f} million rows per CPU second")
    for line in out.decode().splitlines():
        if line.startswith("peak"):
            print(" ", line)


DUCKDB = """
import duckdb, resource, sys, json
edges = json.load(open(sys.argv[1])); c = duckdb.connect(); c.execute("set threads=1")
parts = [f"histogram({n}, {e}::double[])" if e else f"histogram({n})" for n, e in edges.items()]
for f in sys.argv[2:]:
    source = f"read_json_auto('{f}')" if f.endswith("jsonl") else f"'{f}'"
    c.execute(f"select {', '.join(parts)} from {source}").fetchall()
print("peak MB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""

EVIDENTLY = """
import os, sys, resource; os.environ["DO_NOT_TRACK"] = "1"
import pandas as pd
from evidently import Report, Dataset, DataDefinition
from evidently.presets import DataDriftPreset
R, C = (pd.read_parquet(f) for f in sys.argv[1:])
d = DataDefinition(numerical_columns=[c for c in R if c[0] != "c"], categorical_columns=[c for c in R if c[0] == "c"])
Report([DataDriftPreset()]).run(Dataset.from_pandas(C, data_definition=d), Dataset.from_pandas(R, data_definition=d)).dict()
print("peak MB", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""

DRIFTD_PEAK = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
print("peak MB", resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
sys.exit(code)
"""

with tempfile.TemporaryDirectory() as folder:
    import json

    sides = []
    for name, seed in (("baseline", 1), ("window", 2)):
        data = table(seed)
        pq.write_table(data, f"{folder}/{name}.parquet")
        sides.append(f"{folder}/{name}.parquet")
        if name == "baseline":
            quantiles = np.arange(1, 500) / 500
            edges = {c: None if c[0] == "c" else sorted(set(np.quantile(data[c].to_numpy(), quantiles).tolist())) for c in data.column_names}
            json.dump(edges, open(f"{folder}/edges.json", "w"))
    print(f"{ROWS} rows of {len(edges)} columns a side, one thread each")
    child("driftd compare, Parquet", [sys.executable, "-c", DRIFTD_PEAK, DRIFTD, "compare", *sides])
    child("DuckDB, Parquet", [sys.executable, "-c", DUCKDB, f"{folder}/edges.json", *sides])
    child("Evidently, Parquet", [sys.executable, "-c", EVIDENTLY, *sides])
    try:
        import duckdb
    except ImportError:
        sys.exit()
    lines = [side.replace(".parquet", ".jsonl") for side in sides]
    for side, line in zip(sides, lines):
        duckdb.execute(f"copy (select * from '{side}') to '{line}' (format json)")
    child("driftd compare, JSON lines", [sys.executable, "-c", DRIFTD_PEAK, DRIFTD, "compare", *lines])
    child("DuckDB, JSON lines", [sys.executable, "-c", DUCKDB, f"{folder}/edges.json", *lines])
