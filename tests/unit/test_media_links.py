"""A signed URL opens what it was made for, until it expires, and nothing else."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden import errors
from clipwarden.media.links import Link, Links, PartLink
from clipwarden.moderation import Location

NOW = datetime(2026, 11, 22, tzinfo=UTC)
LINKS = Links("http://media.test/base/", b"secret")
VIDEO = Location(bucket="clips", key="in/ä b?c#d.mp4")


def _parts(
    links: Links = LINKS, location: Location = VIDEO, name: str | None = None, media_type: str | None = None
) -> tuple[str, str]:
    expires = NOW + timedelta(minutes=5)
    url = urlsplit(links.make(location, expires=expires, download_name=name, media_type=media_type))
    assert url.path.startswith("/base/")
    return url.path.removeprefix("/base"), url.query


@given(key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1), name=st.none() | st.text(max_size=20))
def test_a_url_opens_the_object_it_was_made_for(key: str, name: str | None) -> None:
    if name is not None:
        name = name.encode("utf-8", "replace").decode()
    location = Location(bucket="clips", key=key)
    for media_type in (None, "video/mp4"):
        path, query = _parts(location=location, name=name, media_type=media_type)
        assert LINKS.verify(path, query, NOW) == Link(location=location, download_name=name, media_type=media_type)


def test_a_url_expires() -> None:
    path, query = _parts()
    assert LINKS.verify(path, query, NOW + timedelta(seconds=299)) is not None
    assert LINKS.verify(path, query, NOW + timedelta(minutes=5)) is None


@pytest.mark.parametrize("name", [None, "a.mp4"])
def test_whatever_is_changed_makes_a_url_worthless(name: str | None) -> None:
    path, query = _parts(name=name)
    fields = dict(parse_qsl(query))
    for changed in (
        fields | {"expires": str(int(fields["expires"]) + 1)},
        fields | {"signature": "0" * 64},
        fields | {"signature": "é"},
        fields | {"signature": ""},
        fields | {"download_name": "evil.html"},
        fields | {"media_type": "text/html"},
        fields | {"other": "1"},
        fields | {"expires": "soon"},
        fields | {"expires": ""},
        {key: value for key, value in fields.items() if key != "signature"},
        {key: value for key, value in fields.items() if key != "expires"},
    ):
        assert LINKS.verify(path, urlencode(changed), NOW) is None
    for other in (f"{path}x", path.replace("clips", "other"), path.removeprefix("/media"), "/media/", "", "/media/a"):
        assert LINKS.verify(other, query, NOW) is None
    for odd in (f"{query}&expires=99999999999", f"{query}&&", "", "%", "a=%ff", f"expires=99999999999&{query}"):
        assert LINKS.verify(path, odd, NOW) is None


def test_a_url_of_another_secret_is_worthless() -> None:
    path, query = _parts(Links("http://media.test/base/", b"another"))
    assert LINKS.verify(path, query, NOW) is None


def test_bucket_and_key_cannot_be_cut_elsewhere() -> None:
    _, query = _parts(location=Location(bucket="abc", key="d/e"))
    whole = LINKS.verify("/media/abc%2Fd/e", query, NOW)
    assert whole is None or whole.location == Location(bucket="abc", key="d/e")
    assert LINKS.verify("/media/abcd/e", query, NOW) is None


def test_without_a_secret_nothing_is_signed() -> None:
    with pytest.raises(errors.ConfigurationError, match="CLIPWARDEN_MEDIA__URL_SECRET"):
        _parts(Links("http://media.test/base/", b""))


def _part(**changed: object) -> tuple[str, str]:
    said = {"target": VIDEO, "token": "a+b/c", "number": 3, "size": 5_000_000, "expires": NOW + timedelta(minutes=5)}
    url = urlsplit(LINKS.make_part(**(said | changed)))  # type: ignore[arg-type] # of their types
    return url.path.removeprefix("/base"), url.query


@given(key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1), token=st.text("ab/+=.%", min_size=1))
def test_a_part_is_stored_where_its_url_says(key: str, token: str) -> None:
    target = Location(bucket="clips", key=key)
    part = LINKS.verify_part(*_part(target=target, token=token), NOW)
    assert part == PartLink(target=target, token=token, number=3, bytes=5_000_000)


def test_whatever_is_changed_makes_a_parts_url_worthless() -> None:
    path, query = _part()
    fields = dict(parse_qsl(query))
    assert LINKS.verify_part(path, query, NOW + timedelta(seconds=299)) is not None
    assert LINKS.verify_part(path, query, NOW + timedelta(minutes=5)) is None
    for name, value in fields.items():
        for other in ("", "0", f"{value}0", f"0{value}"):
            assert LINKS.verify_part(path, urlencode(fields | {name: other}), NOW) is None
        less = {key: text for key, text in fields.items() if key != name}
        assert LINKS.verify_part(path, urlencode(less), NOW) is None
        assert LINKS.verify_part(path, f"{query}&{name}=1", NOW) is None
    for elsewhere in (f"{path}x", path.replace("clips", "other"), path.removeprefix("/media")):
        assert LINKS.verify_part(elsewhere, query, NOW) is None


def test_who_may_read_may_not_store_and_the_other_way_round() -> None:
    assert LINKS.verify_part(*_parts(), NOW) is None
    assert LINKS.verify(*_part(), NOW) is None
