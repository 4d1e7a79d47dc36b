"""Local learning rules, one a file. `make_rule("lms", rate=0.05)` builds one by name."""

from dataclasses import fields
from typing import Any

from localnoise.errors import ArgumentError, choose
from localnoise.rules.base import Rule as Rule
from localnoise.rules.lms import LMS as LMS
from localnoise.rules.moments import Moments as Moments
from localnoise.rules.sign_lms import SignLMS as SignLMS

RULES: dict[str, Any] = {rule.name: rule for rule in (Moments, LMS, SignLMS)}


def make_rule(rule: str | Rule, **options: Any) -> Rule:
    """Return the rule of that name with the options given; a rule that is built already passes through."""
    if not isinstance(rule, str):
        if options:
            raise ArgumentError(f"{next(iter(options))}: options belong to a rule's name; this rule is already built")
        if isinstance(rule, type) or not all(
            hasattr(rule, part) for part in ("name", "start", "observe", "settle", "statistics")
        ):
            names = ", ".join(map(repr, RULES))
            raise ArgumentError(f"rule={rule!r}: expected one of {names}, or a rule that is built, Moments(ridge=1e-4)")
        return rule
    cls = RULES[choose("rule", rule, RULES)]
    allowed = [field.name for field in fields(cls)]
    for option in options:
        choose(f"option of rule {rule!r}", option, allowed)
    built: Rule = cls(**options)
    return built
