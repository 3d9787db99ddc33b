"""`completion bash|zsh|fish`: the script that a shell loads to complete our command line.

    source <(python deploy_supervisor.py completion bash)
    python deploy_supervisor.py completion fish | source

It also defines `trader`, so that there is a word to complete after. Made from the parser, so
that no command or option can be forgotten.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.supervisor.launch import REPOSITORY
from services.supervisor.terminal import say

_TABLE = Path("services") / "services.toml"

_BESIDE = {"drill": ["--all", "--list", "--seed", "--repeat", "--random", "--fresh", "--help"]}
"""Served in front of our parser by the drills, which no service may import."""

_BASH = """\
trader() {{ {python} {program} "$@"; }}
_trader() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" command="${{COMP_WORDS[1]}}" found=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    found={commands}
  else
    case "$command" in
{cases}
    esac
  fi
  COMPREPLY=( $(compgen -W "$found" -- "$word") )
  if [ ${{#COMPREPLY[@]}} -eq 0 ]; then COMPREPLY=( $(compgen -f -- "$word") ); fi
}}
complete -F _trader trader
"""

_ZSH = """\
#compdef trader
trader() {{ {python} {program} "$@"; }}
_trader() {{
  local -a found
  if (( CURRENT == 2 )); then
    found=({commands})
  else
    case "${{words[2]}}" in
{cases}
    esac
  fi
  compadd -- $found || _files
}}
compdef _trader trader
"""


_FISH = """\
function trader
  {python} {program} $argv
end
function __trader_words
  set -l words (commandline -opc)
  if test (count $words) -le 1
    printf '%s\\n' {commands}
    return
  end
  switch $words[2]
{cases}
  end
end
complete -c trader -a '(__trader_words)'
"""


@dataclass(frozen=True, slots=True)
class _Shell:
    """How one shell writes our words."""

    template: str
    case: str
    quotes: bool
    """Whether a list of words is one quoted text, not so many words."""


_SHELLS = {
    "bash": _Shell(_BASH, "      {name}) found={after} ;;", quotes=True),
    "zsh": _Shell(_ZSH, "      {name}) found=({after}) ;;", quotes=False),
    "fish": _Shell(_FISH, "    case {name}\n      printf '%s\\n' {after}", quotes=False),
}


def completion(arguments: argparse.Namespace) -> int:
    """Print the script of the shell; 0."""
    from services.supervisor.cli import build_parser

    words = words_of(build_parser(), service_names())
    say(script(arguments.shell, words | _BESIDE))
    return 0


def words_of(parser: argparse.ArgumentParser, services: tuple[str, ...]) -> dict[str, list[str]]:
    """Return each command with the words that may follow it."""
    found: dict[str, list[str]] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                found[name] = _words_after(command, services)
    return found


def _words_after(command: argparse.ArgumentParser, services: tuple[str, ...]) -> list[str]:
    words: list[str] = []
    for action in command._actions:
        words += action.option_strings
        words += [str(choice) for choice in action.choices or ()]
        if action.dest == "service":
            words += services
    return words


def service_names() -> tuple[str, ...]:
    """Return the services of our own table; none when it cannot be read."""
    try:
        table = tomllib.loads((REPOSITORY / _TABLE).read_text("utf-8"))
    except (OSError, ValueError):
        return ()
    return tuple(table.get("service", {}))


def script(shell: str, words: Mapping[str, list[str]]) -> str:
    """Return the script."""
    written = _SHELLS[shell]

    def listed(some: Iterable[str]) -> str:
        text = " ".join(some)
        return shlex.quote(text) if written.quotes else text

    return written.template.format(
        python=shlex.quote(sys.executable),
        program=shlex.quote(str(REPOSITORY / "deploy_supervisor.py")),
        commands=listed(words),
        cases="\n".join(
            written.case.format(name=name, after=listed(after)) for name, after in words.items()
        ),
    )
