"""Checks of capabilities."""

from __future__ import annotations

from ganzoo_core.testing.checks.framework import check, require
from ganzoo_core.testing.checks.sampling import protocol_methods
from ganzoo_core.testing.subject import Subject
from ganzoo_core.zoo import import_target


@check("capability")
def capability_protocol(subject: Subject) -> None:
    """Is a runtime-checkable Protocol with methods that have docstrings"""
    protocol, spec = subject.target, subject.spec
    require(
        getattr(protocol, "_is_runtime_protocol", False),
        f"{spec.target} is no Protocol with @runtime_checkable",
    )
    methods = protocol_methods(protocol)
    require(methods, f"{spec.target} has no method")
    for name in methods:
        require(
            getattr(protocol, name).__doc__,
            f"{spec.target}.{name} has no docstring: give shapes and ranges",
        )
    require(
        not spec.output or spec.name in methods,
        f"CapabilitySpec.output is {spec.output!r}, so {spec.target} needs a method {spec.name}",
    )


@check("capability")
def capability_targets(subject: Subject) -> None:
    """Names checks with docstrings, and a stub that has the capability"""
    for target in subject.spec.checks:
        require(import_target(target).__doc__, f"{target} has no docstring: say what it checks")
    if subject.spec.stub:
        stub = import_target(subject.spec.stub)()
        require(
            isinstance(stub, subject.target), f"{subject.spec.stub} lacks {subject.spec.target}"
        )
