"""Of what a producer names as a source, only what is meant to be read is read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipwarden import errors
from clipwarden.media.sources import parse_source
from clipwarden.moderation import Location
from clipwarden.settings import MediaSettings

NOWHERE = MediaSettings()


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("s3://clips/a.mp4", Location(bucket="clips", key="a.mp4")),
        ("S3://clips/a/b c%20d?e#f", Location(bucket="clips", key="a/b c%20d?e#f")),
        ("s3://clips//a", Location(bucket="clips", key="/a")),
        ("s3://clips/a?versionId=v.1_x", Location(bucket="clips", key="a", version="v.1_x")),
        ("s3://clips/a?x=1?versionId=v", Location(bucket="clips", key="a?x=1", version="v")),
    ],
)
def test_an_object_is_read_literally(text: str, location: Location) -> None:
    assert parse_source(text, NOWHERE) == location


KEYS = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=200).filter(
    lambda key: "?versionId=" not in key
)


@given(key=KEYS, version=st.none() | st.text("abcXYZ019._-", min_size=1))
def test_what_a_location_prints_is_read_as_the_same_location(key: str, version: str | None) -> None:
    location = Location(bucket="clips", key=key, version=version)
    assert parse_source(str(location), NOWHERE) == location


@given(st.text())
def test_any_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    for source in (text, f"s3://{text}", f"file://{text}", f"file:///{text}"):
        try:
            parse_source(source, NOWHERE)
        except (errors.SourceRefused, errors.MediaNotFound):
            continue


@pytest.mark.parametrize("text", ["http://example.com/a.mp4", "https://user:pw@example.com/a.mp4?x=1#y"])
def test_a_url_is_returned_as_it_is_for_the_guarded_client(text: str) -> None:
    assert parse_source(text, NOWHERE) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.mp4",
        "/etc/passwd",
        "s3:/clips/a",
        "s3://",
        "s3://clips",
        "s3://clips/",
        "s3:///a",
        "s3://../a",
        "s3://a/b",
        "s3://clips/a\0",
        "s3://clips/a\n",
        "s3://clips/\ud800",
        "s3://clips/" + "x" * 1025,
        "s3://clips/a?versionId=",
        "s3://clips/a?versionId=ä",
        "s3://arn:aws:s3:eu-west-1:1:accesspoint/x/a",
        "ftp://example.com/a.mp4",
        "gopher://127.0.0.1/",
        "javascript://x",
        "http:" + "a" * 9000,
        "https://" + "a" * 9000,
        "file:///etc/passwd",
        "file://host/etc/passwd",
        "file:///a%00b",
        "file:///%ff",
        "file://[/a",
        "file:relative",
        " s3://clips/a",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(errors.SourceRefused):
        parse_source(text, NOWHERE)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "import"
    (root / "folder").mkdir(parents=True)
    (root / "ä b.mp4").write_bytes(b"video")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "import-not").mkdir()
    (tmp_path / "import-not" / "a").write_text("near by name only")
    return root


def test_a_file_below_an_import_root_is_read(root: Path) -> None:
    settings = MediaSettings.model_validate({"import_roots": f"/nonexistent:{root}"})
    file = root / "ä b.mp4"
    assert parse_source(file.as_uri(), settings) == file
    assert parse_source(file.as_uri().replace("file://", "FILE://localhost"), settings) == file
    (root / "link").symlink_to(file)
    assert parse_source((root / "link").as_uri(), settings) == file


def test_what_leads_out_of_the_import_roots_is_refused_alike_whether_or_not_it_exists(
    root: Path, tmp_path: Path
) -> None:
    settings = MediaSettings(import_roots=(root,))
    (root / "out").symlink_to(tmp_path / "secret")
    (root / "up").symlink_to(tmp_path)
    (root / "loop").symlink_to(root / "loop")
    answers = set()
    for text in (
        (tmp_path / "secret").as_uri(),
        (tmp_path / "missing").as_uri(),
        f"{root.as_uri()}/../secret",
        f"{root.as_uri()}/%2e%2e/secret",
        f"{root.as_uri()}/..%2Fsecret",
        (root / "out").as_uri(),
        f"{root.as_uri()}/up/secret",
        (tmp_path / "import-not" / "a").as_uri(),
    ):
        with pytest.raises(errors.SourceRefused) as caught:
            parse_source(text, settings)
        answers.add(str(caught.value))
    assert len(answers) == 1
    assert not any("secret" in answer for answer in answers)
    with pytest.raises((errors.SourceRefused, errors.MediaNotFound)):
        parse_source((root / "loop").as_uri(), settings)


def test_a_missing_file_is_not_found_and_a_folder_or_a_query_is_refused(root: Path) -> None:
    settings = MediaSettings(import_roots=(root,))
    with pytest.raises(errors.MediaNotFound):
        parse_source((root / "missing").as_uri(), settings)
    for text in ((root / "folder").as_uri(), f"{(root / 'folder').as_uri()}?x", f"{(root / 'folder').as_uri()}#x"):
        with pytest.raises(errors.SourceRefused):
            parse_source(text, settings)
