"""Renew the hashed locks from pyproject.toml, without any index address in them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD_TOOLS = "setuptools==80.9.0\nwheel==0.45.1\n"
NAUTILUS = "nautilus_trader==1.221.0\n"
"""The guard's reference in the bench. It wants an older pandas than ours, so it gets an
environment, and a lock, of its own. The newest version with a wheel for Python 3.11."""
COMPILE = (
    "pip",
    "compile",
    "--quiet",
    "--generate-hashes",
    "--universal",
    "--python-version=3.11",
    "--no-header",
    "--no-annotate",
    "--no-emit-index-url",
)


def compile_lock(source: Path, target: str, *extra: str) -> None:
    """Resolve one input into one lock; CalledProcessError when it cannot be resolved."""
    uv = Path(sys.executable).parent / "uv"
    command = [str(uv), *COMPILE, *extra, str(source), "-o", str(ROOT / target)]
    subprocess.run(command, check=True, timeout=600)


def main() -> int:
    """Write the five locks."""
    project = ROOT / "pyproject.toml"
    compile_lock(project, "requirements.lock")
    constraint = ("--extra", "test", "-c", str(ROOT / "requirements.lock"))
    compile_lock(project, "requirements-test.lock", *constraint)
    for_bench = ("--extra", "bench", "-c", str(ROOT / "requirements-test.lock"))
    compile_lock(project, "requirements-bench.lock", *for_bench)
    for name, wanted in (("build", BUILD_TOOLS), ("nautilus", NAUTILUS)):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / f"{name}.in"
            source.write_text(wanted, encoding="ascii")
            compile_lock(source, f"requirements-{name}.lock")
    return 0


if __name__ == "__main__":
    sys.exit(main())
