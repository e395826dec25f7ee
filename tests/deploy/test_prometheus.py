"""The rules and the dashboard that come with it: they are right by themselves, and lead to what to do."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.servers import program

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = sorted((DEPLOY / "prometheus/rules").glob("*.yml"))
DASHBOARD = DEPLOY / "grafana/dashboards/inbox.json"


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus/rules/alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def promtool(*arguments: str) -> str:
    """What it printed. Fails the test when it finds something."""
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_and_the_configuration_are_correct() -> None:
    promtool("check", "rules", *map(str, RULES))
    promtool("check", "config", "--syntax-only", str(DEPLOY / "prometheus/prometheus.yml"))


def test_the_rules_say_what_they_should_when_something_happens() -> None:
    promtool("test", "rules", str(DEPLOY / "prometheus/rules_test.yml"))


def test_every_alert_says_what_it_means_what_to_do_and_where_more_is_written() -> None:
    headings = re.findall(r"^## (.+)$", (DEPLOY.parent / "docs/operations.md").read_text(), re.M)
    anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    for alert in alerts():
        notes = alert["annotations"]
        assert notes["summary"].endswith("."), alert["alert"]
        assert notes["description"].endswith("."), alert["alert"]
        assert alert["labels"]["severity"] in ("page", "ticket")
        page, _, anchor = notes["runbook"].partition("#")
        assert page == "docs/operations.md"
        assert anchor in anchors, f"{alert['alert']}: {anchor}"


def test_grafanas_own_schema_knows_everything_in_the_dashboard() -> None:
    """Grafana itself is in no registry of ours; its generated models are."""
    written = json.loads(DASHBOARD.read_text())
    understood = json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(written)))
    assert list(lost(written, understood)) == []


def lost(written: Any, understood: Any, path: str = "") -> list[str]:
    """What the models have dropped or changed."""
    if isinstance(written, dict) and isinstance(understood, dict):
        gone = [f"{path}/{key}" for key in written if key not in understood]
        both = [key for key in written if key in understood]
        return gone + [each for key in both for each in lost(written[key], understood[key], f"{path}/{key}")]
    if isinstance(written, list) and isinstance(understood, list) and len(written) == len(understood):
        pairs = enumerate(zip(written, understood, strict=True))
        return [each for number, (one, other) in pairs for each in lost(one, other, f"{path}/{number}")]
    return [] if written == understood else [path]


@pytest.mark.parametrize("folder", ["datasources", "dashboards"])
def test_what_grafana_reads_at_its_start_is_yaml(folder: str) -> None:
    for path in (DEPLOY / "grafana/provisioning" / folder).glob("*.yml"):
        assert yaml.safe_load(path.read_text())["apiVersion"] == 1
