"""What answers say of policies and taxonomies, and of what is wrong with a request."""

from typing import Annotated

from pydantic import Field

from clipwarden_api.v1.models import Saying


class CategoryNamed(Saying):
    """A category of one of the taxonomies."""

    taxonomy: str
    category: str = Field(description="As policies spell it.")
    path: list[str]


class Setting(CategoryNamed):
    """A threshold as the policy's author wrote it."""

    threshold: float | None = Field(description="0 to 1; null ignores the category.")


class Rule(Saying):
    """What one category is judged by, and why."""

    category: str
    path: list[str]
    threshold: float | None = Field(description="0 to 1; null where the category is ignored.")
    origin: str = Field(description="Where the threshold comes from, in words.")
    source: CategoryNamed | None = Field(description="The category that the policy names; null for the default.")


class RuleSet(Saying):
    """The rules of all categories of one taxonomy."""

    taxonomy: str
    rules: list[Rule]


class PolicyExplained(Saying):
    """What a moderation parameter means."""

    moderation: str = Field(description="The canonical parameter.")
    min_confidence: float = Field(description="0 to 100: what Rekognition is asked for.")
    settings: list[Setting]
    taxonomies: list[RuleSet]


class Category(Saying):
    """A node of a taxonomy."""

    category: str
    path: list[str]
    level: int


class Taxonomy(Saying):
    """The categories of one generation of models, upper before lower."""

    version: str
    categories: list[Category]


class Taxonomies(Saying):
    """All taxonomies."""

    items: list[Taxonomy]


class Fault(Saying):
    """One thing that is wrong with a request."""

    pointer: str = Field(description="Where: a JSON Pointer into the body, or `?name` for a query parameter.")
    detail: str
    part: str | None = Field(default=None, description="The offending part of a moderation parameter.")
    position: int | None = Field(default=None, description="Its offset in characters.")
    suggestions: list[str] | None = Field(default=None, description="The nearest names, best first.")


class ProblemDetails(Saying):
    """Why a request was refused, as RFC 9457 has it."""

    type: str = "about:blank"
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    code: str = Field(description="A stable slug.")
    detail: str
    errors: tuple[Fault, ...] = ()
