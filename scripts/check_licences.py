#!/usr/bin/env python3
"""Checks that the licence of every crate that Spinor is built from is one that deny.toml allows.

What `cargo deny check licenses` checks, for machines without cargo-deny: SPDX expressions of AND, OR, WITH and parentheses (and the old
slash for OR), as the crates' own manifests give them.
"""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent


def allowed() -> set[str]:
    """The licences that deny.toml allows."""
    text = (ROOT / "deny.toml").read_text()
    found = re.search(r"^allow\s*=\s*\[(.*?)\]", text, re.MULTILINE | re.DOTALL)
    if not found:
        sys.exit("deny.toml: no list `allow` under [licenses]")
    return set(re.findall(r'"([^"]+)"', found.group(1)))


def holds(expression: str, allow: set[str]) -> bool:
    """Whether an SPDX expression can be met with licences of `allow` alone."""
    tokens = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))

    def either() -> bool:
        met = both()
        while tokens and tokens[0] == "OR":
            tokens.pop(0)
            met = both() or met
        return met

    def both() -> bool:
        met = one()
        while tokens and tokens[0] == "AND":
            tokens.pop(0)
            met = one() and met
        return met

    def one() -> bool:
        if not tokens:
            raise ValueError("it ends early")
        token = tokens.pop(0)
        if token == "(":
            met = either()
            if not tokens or tokens.pop(0) != ")":
                raise ValueError("a parenthesis is not closed")
            return met
        if len(tokens) >= 2 and tokens[0] == "WITH":
            exception = f"{token} {tokens.pop(0)} {tokens.pop(0)}"
            return exception in allow or token in allow
        return token in allow

    met = either()
    if tokens:
        raise ValueError(f"nothing is expected before {tokens[0]!r}")
    return met


def main() -> int:
    allow = allowed()
    assert holds("(MIT OR X) AND Apache-2.0 WITH LLVM-exception", {"MIT", "Apache-2.0"}) and not holds("MIT AND X", {"MIT"})
    metadata = subprocess.run(
        ["cargo", "metadata", "--locked", "--format-version", "1"], check=True, capture_output=True, text=True, cwd=ROOT
    )
    packages = json.loads(metadata.stdout)["packages"]
    breaches = []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        licence = package.get("license")
        if not licence:
            breaches.append(f"{name}: its manifest names no licence; read {package.get('license_file') or 'its files'}")
            continue
        try:
            if not holds(licence, allow):
                breaches.append(f"{name}: {licence} is not allowed by deny.toml")
        except ValueError as error:
            breaches.append(f"{name}: the licence {licence!r} cannot be read: {error}")
    for breach in breaches:
        print(breach, file=sys.stderr)
    print(f"{len(packages)} crates, {len(breaches)} with a licence that is not allowed")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
