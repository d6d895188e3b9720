"""Inserts rows into a sqlite database, a transaction each, and notes how many are durable.

usage: database.py DATABASE JOURNAL-MODE NOTEBOOK NAME
"""
import json
import os
import sqlite3
import sys

path, mode, notebook, name = sys.argv[1:5]
database = sqlite3.connect(path, isolation_level=None)
database.execute("PRAGMA journal_mode=%s" % mode)
database.execute("PRAGMA synchronous=%s" % ("EXTRA" if mode == "delete" else "FULL"))
database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, data BLOB)")
fd = os.open(notebook, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

# sqlite takes a directory that cannot be opened, because the server is gone, for one that it has synced.
directory = os.open(os.path.dirname(path), os.O_RDONLY)
rows = 0
while True:
    rows += 1
    database.execute("INSERT INTO t (id, data) VALUES (?, ?)", (rows, bytes([rows % 256]) * (rows * 37 % 3000)))
    os.fsync(directory)
    os.write(fd, (json.dumps({"kind": "rows", "path": name, "rows": rows}) + "\n").encode())
