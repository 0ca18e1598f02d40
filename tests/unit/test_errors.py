"""The exception tree is complete, drawn, and every leaf is one or the other."""

import inspect

from clipwarden import errors

CLASSES: list[type[errors.ClipwardenError]] = [
    value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, errors.ClipwardenError)
]


def test_every_error_is_transient_or_permanent_and_never_both() -> None:
    for error in CLASSES:
        kinds = [issubclass(error, kind) for kind in (errors.TransientError, errors.PermanentError)]
        assert sum(kinds) == (0 if error is errors.ClipwardenError else 1), error


def test_every_error_is_drawn_in_the_module_and_says_when_it_is_raised() -> None:
    for error in CLASSES:
        assert f" {error.__name__} " in f"{errors.__doc__}".replace("\n", " \n"), error
        assert (error.__doc__ or "").startswith("Raised when"), error


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in CLASSES]
    assert len(codes) == len(set(codes))
