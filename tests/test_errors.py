from pitmap.errors import nearest


def test_nearest_ignores_case_and_answers_only_where_a_name_is_near():
    assert nearest("a1", ["A1", "B1"]) == "A1"
    assert nearest("unett", ["segnet", "unet"]) == "unet"
    assert nearest("zzz", ["unet"]) is None
    assert nearest("unet", []) is None


def test_without_a_cutoff_nearest_always_answers():
    assert nearest("zzz", ["unet"], 0) == "unet"
    assert nearest("", ["unet", "segnet"], 0) == "unet"
    assert nearest("", [], 0) is None
