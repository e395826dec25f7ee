"""What several workers have counted, as one text: the same as the library would make of it."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from inbox.metrics import exposition

BOUNDS = (0.1, 1.0, math.inf)
LABELS = st.sampled_from(["/conversations", "/messages/{id}", 'a "quoted" \\ one\nin two lines', "", "é"])
VALUES = st.floats(0, 1e9)
#: Process, kind, label, value.
COUNTED = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from(["counter", "histogram", "livesum", "livemax"]), LABELS, VALUES),
    max_size=12,
)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp())
    yield made
    shutil.rmtree(made)


class Workers:
    """Writes the files as the library does for processes 1, 2 and 3."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, MmapedDict] = {}

    def add(self, pid: int, kind: str, label: str, value: float) -> None:
        if kind == "histogram":
            name, labels = "inbox_x_seconds", {"route": label}
            for bound in BOUNDS:
                text = "+Inf" if bound == math.inf else repr(bound)
                key = mmap_key(name, f"{name}_bucket", ["route", "le"], [label, text], "How long.")
                self._write(f"histogram_{pid}", key, float(value <= bound))
            self._write(f"histogram_{pid}", mmap_key(name, f"{name}_sum", list(labels), [label], "How long."), value)
            return
        name = {"counter": "inbox_x", "livesum": "inbox_held", "livemax": "inbox_worst"}[kind]
        file = f"counter_{pid}" if kind == "counter" else f"gauge_{kind}_{pid}"
        sample = f"{name}_total" if kind == "counter" else name
        self._write(file, mmap_key(name, sample, ["route"], [label], "How many."), value)

    def _write(self, file: str, key: str, value: float) -> None:
        if file not in self._files:
            self._files[file] = MmapedDict(str(self.folder / f"{file}.db"))
        values = self._files[file]
        values.write_value(key, values.read_value(key)[0] + value, 0.0)

    def close(self) -> None:
        for file in self._files.values():
            file.close()


def parsed(text: str) -> dict[tuple[str, str], dict[tuple[str, tuple[tuple[str, str], ...]], float]]:
    def samples(family: Metric) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        return {(each.name, tuple(sorted(each.labels.items()))): each.value for each in family.samples}

    families = text_string_to_metric_families(text)
    return {(family.name, family.type): samples(family) for family in families}


@settings(max_examples=40, deadline=None)
@given(counted=COUNTED)
def test_it_says_what_the_library_would_say(counted: list[tuple[int, str, str, float]]) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        workers = Workers(Path(name))
        for each in counted:
            workers.add(*each)
        workers.close()
        patch.setenv("PROMETHEUS_MULTIPROC_DIR", name)
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        assert parsed(exposition.text().decode()) == parsed(generate_latest(registry).decode())


def test_what_a_dead_worker_counted_stays_and_what_it_held_goes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workers = Workers(folder)
    for pid in (1, 2):
        workers.add(pid, "counter", "/x", 5.0)
        workers.add(pid, "livesum", "/x", 7.0)
    workers.close()
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder))
    from inbox.metrics.folder import forget

    forget(1)
    text = exposition.text().decode()
    assert 'inbox_x_total{route="/x"} 10.0' in text
    assert 'inbox_held{route="/x"} 7.0' in text
