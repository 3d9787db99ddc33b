"""Make `.venv` from the hashed locks, on a machine that has only python3.

    python3 tools/bootstrap.py run     what the product needs
    python3 tools/bootstrap.py test    the same, the test tools, and a headless browser
    python3 tools/bootstrap.py bench   the product, and the references of `make bench`

Standard library only. A marker holds the hash of the locks, so that the second call returns at
once. Every failure says the one line to type. Exit codes: 0 ready, 1 not.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
BUILD_LOCK = ROOT / "requirements-build.lock"
LOCKS = {
    "run": ROOT / "requirements.lock",
    "test": ROOT / "requirements-test.lock",
    "bench": ROOT / "requirements-bench.lock",
}
NAUTILUS_LOCK = ROOT / "requirements-nautilus.lock"
NAUTILUS = VENV / "nautilus"
"""A reference of the bench that wants older libraries than ours: an environment of its own."""
CONTAINED_IN = {"run": ("run", "test", "bench"), "test": ("test",), "bench": ("bench",)}
"""Which finished tiers hold everything of a tier."""
BROWSERS = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
)
PYTHON_MIN = (3, 11)
INSTALL_TIMEOUT_S = 1200


class BootstrapError(Exception):
    """Something a person must mend; the message is what they read."""


def say(text: str) -> None:
    """Tell the person what takes time."""
    sys.stderr.write(text + "\n")


def lock_hash(tier: str) -> str:
    """Return the hash that the marker of a finished install holds."""
    digest = hashlib.sha256(sys.version.encode())
    for lock in (BUILD_LOCK, LOCKS[tier], *([NAUTILUS_LOCK] if tier == "bench" else [])):
        digest.update(lock.read_bytes())
    return digest.hexdigest()


def is_installed(tier: str) -> bool:
    """Whether an earlier call finished with these very locks, for this tier or a larger one."""
    markers = {name: VENV / f".installed-{name}" for name in CONTAINED_IN[tier]}
    return PYTHON.exists() and any(
        marker.exists() and marker.read_text(encoding="ascii") == lock_hash(name)
        for name, marker in markers.items()
    )


def run(command: list[str], mend: str) -> None:
    """Run one step; raise BootstrapError with the mend when it fails."""
    result = subprocess.run(command, check=False, timeout=INSTALL_TIMEOUT_S, stdout=sys.stderr)
    if result.returncode != 0:
        raise BootstrapError(f"{' '.join(command[:6])} ... failed.\n{mend}")


def may_install_packages() -> bool:
    """Whether Debian packages can be installed without asking anybody."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_debian(package: str, mend: str) -> None:
    """Install a distribution's package, or say the line that does."""
    if not may_install_packages():
        raise BootstrapError(mend)
    say(f"installing {package} from the distribution ...")
    run(["apt-get", "update", "-qq"], mend)
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package], mend)


def make_venv(folder: Path) -> None:
    """Create an environment with pip in it."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        import ensurepip  # noqa: F401  (Debian ships python3 without it)
    except ImportError:
        package = f"python{version}-venv"
        install_debian(package, f"python3 has no venv. Type: sudo apt-get install {package}")
    say(f"making {folder.name} ...")
    venv.EnvBuilder(clear=True, with_pip=True, symlinks=True).create(folder)


def install(tier: str) -> None:
    """Install a tier's lock with every hash checked."""
    if not PYTHON.exists():
        make_venv(VENV)
    mend = "Is the package index reachable? Type `make clean` and then the same command again."
    pip = [str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    say(f"installing {LOCKS[tier].name} ...")
    # One owner-named package has no wheel: its build tools are pinned and installed first.
    run([*pip, "--require-hashes", "-r", str(BUILD_LOCK)], mend)
    run([*pip, "--no-build-isolation", "--require-hashes", "-r", str(LOCKS[tier])], mend)
    if tier == "bench":
        install_nautilus()
    (VENV / f".installed-{tier}").write_text(lock_hash(tier), encoding="ascii")


def install_nautilus() -> None:
    """Install the guard's reference where it has a wheel; its row says so where it has none."""
    make_venv(NAUTILUS)
    pip = [str(NAUTILUS / "bin" / "python"), "-m", "pip", "install", "-q"]
    only = ["--only-binary=:all:", "--require-hashes", "-r", str(NAUTILUS_LOCK)]
    say(f"installing {NAUTILUS_LOCK.name} ...")
    try:
        run([*pip, "--disable-pip-version-check", *only], "There is no wheel for this machine.")
    except BootstrapError as fault:
        say(f"{fault}\nThe bench goes on without NautilusTrader.")


def find_browser() -> str | None:
    """Return a Chromium-like browser: CHROME first, then the usual names."""
    named = os.environ.get("CHROME")
    if named:
        return named if Path(named).exists() else None
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def ensure_browser() -> None:
    """Have a headless browser for the page's tests, unless BROWSER=skip says otherwise."""
    if os.environ.get("BROWSER") == "skip" or find_browser():
        return
    mend = (
        "The page's tests need a browser. Type: sudo apt-get install chromium-headless-shell\n"
        "or set CHROME to one, or BROWSER=skip to leave these tests out."
    )
    install_debian("chromium-headless-shell", mend)


def main(arguments: list[str]) -> int:
    """Bring the machine to where the tier can run."""
    tier = arguments[0] if arguments else "run"
    if tier not in LOCKS:
        say(f"unknown tier {tier!r}: say {', '.join(LOCKS)}")
        return 2
    if sys.version_info < PYTHON_MIN:
        say("Python 3.11 or newer is needed; this is " + sys.version.split()[0])
        return 1
    try:
        if not is_installed(tier):
            install(tier)
        if tier == "test":
            ensure_browser()
    except (BootstrapError, OSError, subprocess.TimeoutExpired) as fault:
        say(str(fault))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
