from fl_core.versions import ALIKE, SAME, find_versions


def test_both_ends_can_compare_what_has_to_agree() -> None:
    versions = find_versions()
    assert versions.keys() == {*SAME, *ALIKE, "python"}
    assert all(versions.values())
    assert versions["python"].count(".") == 1
