"""The ignition key: start, stop and ask the whole system.

python deploy_supervisor.py [run] | check | status | stop | restart NAME | release NAME | tail NAME
emergency-stop | clear-stop | close-position | pause | resume | drill        (--help says more)
"""

import os
import sys

PYTHON_WANTED = (3, 11)
INTERRUPTED = 130


def main() -> int:
    """Hand the arguments to the command line; say in one line what is missing, if anything."""
    if sys.version_info < PYTHON_WANTED:
        wanted = ".".join(str(number) for number in PYTHON_WANTED)
        sys.stderr.write("Python %s or newer is needed; run: make run\n" % wanted)  # noqa: UP031 - an old Python must be able to read this line
        return os.EX_CONFIG
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib costs the old Pythons nothing, but the fast path 3 ms
    try:
        from chaos.door import main as command_line

        return command_line(sys.argv[1:])
    except ModuleNotFoundError as missing:
        sys.stderr.write(f"{missing.name} is not installed; run: make run\n")
        return os.EX_CONFIG
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
