"""Container files and the hosted workflow agree with the project: no daemon is needed to see it."""

from __future__ import annotations

import fnmatch
import re
import tomllib
from typing import Any

import pytest
import yaml

from shared.config.fields import KNOWN_NAMES, SECRETS
from tests.house.source_tree import ROOT

pytestmark = pytest.mark.unit

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
STAGES = set(re.findall(r"^FROM \S+ AS (\w+)$", DOCKERFILE, re.M))
WORKFLOW = (ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8")


def compose() -> dict[str, Any]:
    """The services of the compose file."""
    document = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    services: dict[str, Any] = document["services"]
    return services


def jobs() -> dict[str, Any]:
    """The jobs of the workflow."""
    found: dict[str, Any] = yaml.safe_load(WORKFLOW)["jobs"]
    return found


def test_compose_when_read_then_it_has_the_product_and_a_test_profile() -> None:
    """A plain `up` starts the product alone; the tests are behind their profile."""
    assert {name: row.get("profiles") for name, row in compose().items()} == {
        "trader": None,
        "test": ["test"],
    }
    assert {row["build"]["target"] for row in compose().values()} <= STAGES


def test_compose_when_it_sets_something_then_it_is_a_setting_and_no_secret_is_written_there() -> (
    None
):
    """Only names that we know, each secret from outside, the page on loopback of the host."""
    trader = compose()["trader"]
    values = trader["environment"]
    assert set(values) <= set(KNOWN_NAMES)
    assert {name: values[name] for name in SECRETS} == {
        name: "${" + name + ":-}" for name in SECRETS
    }
    assert all(port.startswith("127.0.0.1:") for port in trader["ports"])


def test_image_when_built_then_every_copied_file_exists_and_no_secret_or_state_goes_in() -> None:
    """COPY names what is there, `.dockerignore` keeps out what is nobody's business."""
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    copied = [
        word
        for line in re.findall(r"^COPY (?:--\S+ )*(.+)$", DOCKERFILE, re.M)
        for word in line.split()[:-1]
    ]
    assert [name for name in copied if not (ROOT / name).exists()] == []
    for secret in (".env", "state/trading_state.json", "logs/audit.jsonl", ".venv"):
        assert any(fnmatch.fnmatch(secret, pattern) for pattern in ignored), secret
    # The product is made of named folders: neither .git nor the tests are in it.
    assert "COPY . ." not in DOCKERFILE[DOCKERFILE.index("AS product") :]


def test_image_when_started_then_it_is_a_plain_user_and_asks_its_health_of_status() -> None:
    """The last stage is the product: not root, SIGTERM, health by the same judge as everywhere."""
    product = DOCKERFILE[DOCKERFILE.rindex("FROM ") :]
    assert product.startswith("FROM base AS product")
    assert re.search(r"^USER trader$", product, re.M)
    assert "deploy_supervisor.py status" in product
    assert 'ENTRYPOINT ["python", "deploy_supervisor.py"]' in product


def test_workflow_when_read_then_it_tests_each_python_that_the_project_promises() -> None:
    """3.11 to 3.13, never fewer than the project requires; tests, security and container."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    versions = jobs()["test"]["strategy"]["matrix"]["python"]
    assert versions == ["3.11", "3.12", "3.13"]
    assert project["requires-python"] == f">={versions[0]}"
    assert set(jobs()) == {"test", "security", "container"}


def test_workflow_when_it_runs_something_then_target_script_and_stage_exist() -> None:
    """No step types a command that is not there, and none may write to the repository."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    steps = [step for job in jobs().values() for step in job["steps"]]
    runs = [step["run"] for step in steps if "run" in step]
    assert {word for run in runs for word in re.findall(r"make ([a-z-]+)", run)} <= targets
    assert {word for run in runs for word in re.findall(r"--target (\w+)", run)} <= STAGES
    for run in runs:
        assert all((ROOT / name).exists() for name in re.findall(r"python3 (\S+\.py)", run))
    assert yaml.safe_load(WORKFLOW)["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] for job in jobs().values())
