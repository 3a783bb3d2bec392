"""Completion of `--set key=value` in bash."""

from __future__ import annotations

from click.shell_completion import BashComplete, CompletionItem


class BashAssignments(BashComplete):
    """Completion in bash of words with ``=``, which bash splits into `key`, `=` and `value`."""

    # No space after `key=`, so that the value can be typed at once.
    source_template = BashComplete.source_template.replace(
        "COMPREPLY+=($value)",
        "COMPREPLY+=($value)\n            [[ $value == *= ]] && compopt -o nospace",
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words before the incomplete one, and that one with its ``key=`` put back."""
        args, incomplete = super().get_completion_args()
        if incomplete == "=":
            incomplete = ""
        elif args[-1:] == ["="]:
            args.pop()
        else:
            return args, incomplete
        return args[:-1], f"{args[-1]}={incomplete}"

    def format_completion(self, item: CompletionItem) -> str:
        """Return what bash replaces: of ``key=value`` the part after ``=``."""
        key, equals, value = str(item.value).partition("=")
        return f"{item.type},{value if value else key + equals}"
