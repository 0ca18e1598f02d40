"""What a moderation parameter means: every category's threshold, and where it comes from."""

from decimal import Decimal

from clipwarden import taxonomy
from clipwarden.policy import Policy
from clipwarden.rules import Rule as Resolved
from clipwarden_api.v1.operation import Answer, Call
from clipwarden_api.v1.policy_models import (
    Category,
    CategoryNamed,
    PolicyExplained,
    Rule,
    RuleSet,
    Setting,
    Taxonomies,
    Taxonomy,
)


def explain(call: Call) -> Answer:
    """Return the rules of all categories of both taxonomies; raises PolicyError for what is no parameter."""
    default = call.asked.default_taxonomy or call.caller.account.default_taxonomy
    policy = Policy.parse(call.asked.moderation, default_taxonomy=default)
    return Answer.of(
        PolicyExplained(
            moderation=str(policy),
            min_confidence=policy.min_confidence,
            settings=[
                Setting(threshold=_plain(one.threshold), **_named(one.category).model_dump()) for one in policy.settings
            ],
            taxonomies=[
                RuleSet(taxonomy=one.version, rules=[_rule(rule) for rule in policy.explain(one.version)])
                for one in taxonomy.TAXONOMIES
            ],
        )
    )


def taxonomies(call: Call) -> Answer:
    """Return all categories."""
    del call
    return Answer.of(
        Taxonomies(
            items=[
                Taxonomy(
                    version=one.version,
                    categories=[
                        Category(category=each.slug, path=list(each.path), level=each.level) for each in one.categories
                    ],
                )
                for one in taxonomy.TAXONOMIES
            ]
        )
    )


def _rule(rule: Resolved) -> Rule:
    return Rule(
        category=rule.category.slug,
        path=list(rule.category.path),
        threshold=_plain(rule.threshold),
        origin=rule.origin,
        source=_named(rule.source) if rule.source is not None else None,
    )


def _named(category: taxonomy.Category) -> CategoryNamed:
    return CategoryNamed(taxonomy=category.taxonomy, category=category.slug, path=list(category.path))


def _plain(threshold: Decimal | None) -> float | None:
    return None if threshold is None else float(threshold)
