"""`ganzoo reproduce`: what made a run, compared with what is installed; and the run again."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo_core.cli import output
from ganzoo_core.cli.options import json_option, quiet_option


@click.command(
    epilog=output.examples(
        "ganzoo reproduce runs/cgan-1", "ganzoo reproduce runs/cgan-1 --run --out runs/again"
    )
)
@click.argument("folder", type=click.Path(path_type=Path), metavar="RUN")
@click.option("--run", "is_run", is_flag=True, help="Run the command, and compare the weights.")
@click.option(
    "--out",
    type=click.Path(),
    metavar="DIR",
    help="The folder of the new run; default: the next free runs/MODEL-N.",
)
@json_option
@quiet_option
def reproduce(folder: Path, is_run: bool, out: str | None, as_json: bool) -> None:
    """Print the command, versions, data and seed that made RUN; say what differs here."""
    from ganzoo_core.training import reproduce as training

    record = training.read_record(folder, out)
    if not as_json:
        _print_record(record)
    if not is_run:
        if as_json:
            output.print_json(record.to_json())
        return
    run, differences = training.reproduce(folder, out, quiet=output.is_quiet())
    if as_json:
        result = {"new_run": str(run.path), "result_differences": differences}
        output.print_json({**record.to_json(), **result})
        return
    output.print_line(f"new run   {run.path}")
    if differences:
        output.print_line(f"differs   {'; '.join(differences)}")
    else:
        output.print_line(f"weights   equal to the bit to those of {record.run}")


def _print_record(record: object) -> None:
    from ganzoo_core.training.reproduce import RunRecord

    assert isinstance(record, RunRecord)
    output.print_line(f"command   {record.command}")
    output.print_line(f"model     {record.model}, seed {record.seed}")
    rows = [
        (
            name,
            then or "not recorded",
            record.now.get(name, "known after --run"),
            "differs" if name in record.differences else "",
        )
        for name, then in record.then.items()
        if then or record.now.get(name)
    ]
    output.print_table(("what", "run", "here", ""), rows)
