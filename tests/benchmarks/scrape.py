"""What a scrape of /metrics costs: `python -m tests.benchmarks.scrape [--workers 2]`.

Every route of the application has been asked with two outcomes, in each of the workers: more than any installation has.
Prints milliseconds of CPU; the figures of the database are not in it, since they are shared for 10 s.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROUNDS = 50
_WORKER = """
from inbox import create_app
from inbox.config import Config
from inbox.metrics import meters
app = create_app(Config(env="development", encryption_keys=("A" * 43 + "=",), secret_key="x" * 40, log_level="ERROR"))
for rule in app.url_map.iter_rules():
    for method in rule.methods - {"HEAD", "OPTIONS"}:
        for status in (200, 404):
            meters.REQUESTS.labels(method, rule.rule, status).inc()
        meters.REQUEST_SECONDS.labels(method, rule.rule).observe(0.02)
        meters.REQUEST_STATEMENTS.labels(method, rule.rule).inc(2)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    workers = parser.parse_args().workers
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        for _ in range(workers):
            subprocess.run([sys.executable, "-c", _WORKER], check=True, stdout=subprocess.DEVNULL)
        ours = _measured("from inbox.metrics.exposition import text")
        theirs = _measured(
            "from prometheus_client import CollectorRegistry, generate_latest\n"
            "from prometheus_client.multiprocess import MultiProcessCollector\n"
            "registry = CollectorRegistry(); MultiProcessCollector(registry)\n"
            "text = lambda: generate_latest(registry)"
        )
        from inbox.metrics.exposition import text

        lines = text().count(b"\n")
        size = sum(path.stat().st_size for path in Path(folder).glob("*.db")) / 2**20
    print(f"{workers} workers, {lines} lines, files of {size:.0f} MB (sparse)")
    print(f"a scrape: {ours:.2f} ms of CPU (aim: 5); by the library's own way: {theirs:.2f} ms")


def _measured(setup: str) -> float:
    """The median of many scrapes, as milliseconds of CPU."""
    found: dict[str, object] = {}
    exec(setup, found)
    scrape = found["text"]
    assert callable(scrape)
    took = []
    for _ in range(ROUNDS):
        began = time.process_time()
        scrape()
        took.append(time.process_time() - began)
    return 1000 * median(took)


if __name__ == "__main__":
    main()
