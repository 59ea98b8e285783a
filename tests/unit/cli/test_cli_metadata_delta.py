"""What a deploy does with the bucket's metadata, for any repository, bucket and last release."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from idiscover.cli.metadata_delta import MetadataDelta, checksum, compare, differences

texts = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["one", "two", "three"]))


def released(files: dict[str, str]) -> dict[str, dict[str, str]]:
    """The record of a release that brought these files."""
    return {"metadata": {path: checksum([text]) for path, text in files.items()}}


def done(there: dict[str, str], delta: MetadataDelta) -> dict[str, str]:
    """The bucket after the delta was carried out."""
    after = {**there, **delta.write}
    for path in delta.delete:
        del after[path]
    return after


@given(here=texts, there=texts, last=texts, overwrite=st.booleans())
def test_the_result_is_what_writing_and_deleting_leave(
    here: dict[str, str], there: dict[str, str], last: dict[str, str], overwrite: bool
) -> None:
    delta = compare(here, there, released(last), overwrite)
    assert done(there, delta) == delta.result
    assert all(there.get(path) != text for path, text in delta.write.items()), "nothing is written that stands"


@given(here=texts, there=texts, last=texts)
def test_what_was_edited_in_the_bucket_stays_and_is_named(
    here: dict[str, str], there: dict[str, str], last: dict[str, str]
) -> None:
    delta = compare(here, there, released(last), overwrite=False)
    edited = {path for path in {*there, *last} if there.get(path) != last.get(path)}
    kept = {line.split(" ")[0] for line in delta.kept}
    assert kept == {path for path in edited if here.get(path) != there.get(path)}
    assert all(delta.result.get(path) == there.get(path) for path in edited)
    assert all(delta.result.get(path) == here.get(path) for path in {*here, *there, *last} - edited)


@given(here=texts, there=texts, last=texts)
def test_overwriting_brings_exactly_the_repository(
    here: dict[str, str], there: dict[str, str], last: dict[str, str]
) -> None:
    delta = compare(here, there, released(last), overwrite=True)
    assert (delta.result, delta.kept) == (here, [])


@given(here=texts, there=texts, last=texts)
def test_the_next_deploy_says_the_same_and_does_nothing(
    here: dict[str, str], there: dict[str, str], last: dict[str, str]
) -> None:
    first = compare(here, there, released(last), overwrite=False)
    second = compare(here, first.result, {"metadata": first.hashes}, overwrite=False)
    assert (second.write, second.delete) == ({}, [])
    assert {line.split(" ")[0] for line in second.kept} == {line.split(" ")[0] for line in first.kept}


@given(here=texts, newer=texts, last=texts, cut=st.integers(0, 3))
def test_what_a_killed_deploy_had_uploaded_is_not_taken_for_an_edit(
    here: dict[str, str], newer: dict[str, str], last: dict[str, str], cut: int
) -> None:
    killed = compare(here, last, released(last), overwrite=False)
    there = {**last, **dict(list(killed.write.items())[:cut])}
    record = {**released(last), "uploading": {path: checksum([text]) for path, text in killed.write.items()}}
    delta = compare(newer, there, record, overwrite=False)
    assert (delta.kept, delta.result) == ([], newer)


def test_the_words_say_who_did_what() -> None:
    last = dict.fromkeys("abcd", "old")
    here = {"a": "old", "b": "new", "d": "old", "f": "mine"}
    there = {"a": "edit", "b": "edit", "c": "edit", "e": "theirs", "f": "theirs"}
    assert compare(here, there, released(last), overwrite=False).kept == [
        "a (edited there)",
        "b (edited there, and otherwise here)",
        "c (edited there, deleted here)",
        "d (deleted there)",
        "e (new there)",
        "f (there before the first release)",
    ]


@given(here=texts, there=texts, last=texts)
def test_a_conflict_is_an_edit_of_a_file_that_was_changed_here_too(
    here: dict[str, str], there: dict[str, str], last: dict[str, str]
) -> None:
    delta = compare(here, there, released(last), overwrite=False)
    assert delta.conflicts == {path for path in delta.edits if here.get(path) != last.get(path)}


def test_differences_lead_from_here_to_the_bucket() -> None:
    assert differences("metadata/a.yaml", "one\ntwo\n", "one\n2\n").splitlines() == [
        "--- here/metadata/a.yaml",
        "+++ bucket/metadata/a.yaml",
        "@@ -1,2 +1,2 @@",
        " one",
        "-two",
        "+2",
    ]
    assert "+++ /dev/null" in differences("a.yaml", "one", None)
