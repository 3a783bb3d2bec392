"""The terms of weights that are not free for every use: accepted once, or by an environment
variable."""

from __future__ import annotations

import os
import sys

from ganzoo_core.errors import LicenseError
from ganzoo_core.zoo.cache import cache_folder
from ganzoo_core.zoo.lookup import zoo
from ganzoo_core.zoo.specs import WeightsSpec

ACCEPT_ENV_VAR = "GANZOO_ACCEPT_LICENSES"


def check_accepted(spec: WeightsSpec) -> None:
    """Check that the user accepted the terms of weights; on a terminal, ask and remember the answer
    for all weights of the distribution.

    `GANZOO_ACCEPT_LICENSES` names weights or distributions, separated by commas.

    Raises:
        LicenseError: not accepted.
    """
    if not spec.terms:
        return
    distribution = zoo().origin(spec).split(" ")[0]
    accepted_names = {*filter(None, map(str.strip, os.environ.get(ACCEPT_ENV_VAR, "").split(",")))}
    record = cache_folder() / "accepted-licenses" / f"{distribution}.txt"
    is_recorded = record.is_file() and record.read_text(encoding="utf-8") == spec.terms
    if is_recorded or accepted_names & {spec.name, distribution}:
        return
    if sys.stdin.isatty() and sys.stderr.isatty():
        print(f"The weights of {distribution}: {spec.terms}", file=sys.stderr)
        print("Accept these terms? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() in {"y", "yes"}:
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(spec.terms, encoding="utf-8")
            return
    raise LicenseError(
        f"{spec.name}: {spec.terms} Accept these terms with {ACCEPT_ENV_VAR}={distribution}"
    )
