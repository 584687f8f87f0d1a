#!/usr/bin/env python3
"""Reads the API's tables as Arrow with pyarrow, and holds them against the same tables as JSON.

usage: tables.py BASE_URL PATH...
"""
import json
import sys
import urllib.request

import pyarrow as pa

ARROW = "application/vnd.apache.arrow.stream"


def fetch(url, accept):
    request = urllib.request.Request(url, headers={"Accept": accept})
    with urllib.request.urlopen(request) as answer:
        return answer.headers, answer.read()


def main():
    base, *paths = sys.argv[1:]
    for path in paths:
        headers, body = fetch(base + path, ARROW)
        assert headers["Content-Type"] == ARROW, headers
        table = pa.ipc.open_stream(body).read_all()
        _, text = fetch(base + path, "application/json")
        rows = json.loads(text)
        rows = rows["items"] if isinstance(rows, dict) else rows
        assert table.num_rows == len(rows) > 0, (path, table.num_rows, len(rows))
        for name in table.schema.names:
            column = table.column(name)
            if pa.types.is_timestamp(column.type):
                assert column.type.tz == "UTC" and column.null_count == 0, (path, name)
                continue
            expected = [row[name] for row in rows]
            assert column.to_pylist() == expected, (path, name, column.to_pylist()[:3], expected[:3])
        if headers.get("Link"):
            assert 'rel="next"' in headers["Link"], headers
        print(f"{path}: {table.num_rows} rows, {len(table.schema.names)} columns")


main()
