from pipeline.wording import first_few


def test_the_first_names_are_told_and_how_many_more_there_are() -> None:
    assert first_few([]) == ""
    assert first_few("ab") == "a, b"
    assert first_few(range(6)) == "0, 1, 2, 3, 4, 5"
    assert first_few(map(str, range(9)), 2, "; ") == "0; 1 and 7 more"
