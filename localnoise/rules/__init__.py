"""Local learning rules, one a file, each registered under its name. `make_rule("lms", rate=0.05)` builds one by name.

A rule of your own is a class that follows `Rule`, under `@register("my-rule")`: see `localnoise.rules.base`.
"""

from dataclasses import fields

from localnoise.errors import ArgumentError, choose, listed
from localnoise.rules.base import RULES as RULES
from localnoise.rules.base import Rule as Rule
from localnoise.rules.lms import LMS as LMS
from localnoise.rules.moments import Moments as Moments
from localnoise.rules.sign_lms import SignLMS as SignLMS
from localnoise.rules.three_factor import ThreeFactor as ThreeFactor

register = RULES.register
"""Decorator that enters a rule's class: `@register("my-rule")`."""


__all__ = [
    "LMS",
    "RULES",
    "Moments",
    "Rule",
    "SignLMS",
    "ThreeFactor",
    "make_rule",
    "register",
]


def make_rule(rule: str | Rule, **options: object) -> Rule:
    """Return the rule of a name with the options given; a rule that is built already passes through.

    Parameters
    ----------
    rule : str or Rule
        A registered name, such as "lms", or an object that follows `Rule`.
    **options
        The rule's fields, such as `rate=0.05`; none for a rule that is built.

    Returns
    -------
    Rule
        Built.

    Raises
    ------
    ArgumentError
        No such rule or option (the near one is suggested), a value that it refuses, or an object that is no rule.
    """
    if not isinstance(rule, str):
        if options:
            raise ArgumentError(f"{next(iter(options))}: options belong to a rule's name; this rule is already built")
        parts = ("name", "start", "observe", "settle", "statistics")
        missing = [part for part in parts if not hasattr(rule, part)]
        if isinstance(rule, type) or missing:
            lacks = f" (it has no {', no '.join(missing)})" if 0 < len(missing) < len(parts) else ""
            raise ArgumentError(
                f"rule={rule!r}{lacks}: expected one of {listed(map(repr, RULES))}, or a rule that is built, "
                "Moments(ridge=1e-4)"
            )
        return rule
    cls = RULES.find(rule)
    allowed = [field.name for field in fields(cls)]
    for option in options:
        choose(f"option of rule {rule!r}", option, allowed)
    built: Rule = cls(**options)
    return built


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)
