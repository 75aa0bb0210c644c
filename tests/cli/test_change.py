import json

from changes.two_dates import two_dates
from commands import run


def test_change(tmp_path, capsys):
    maps, images = two_dates(tmp_path)
    given = ["change", *maps, tmp_path / "out", "--image", images[0], "--image", images[1]]
    code, out, err = run(capsys, *given)
    assert code == 0
    assert "2021-06-19 to 2023-05-30: 1.9 ha became mine" in out
    assert "2023-05-30 lies 0.0" in err
    code, out, _ = run(capsys, *given, "--json", "--minimum-m2", "7000")
    assert code == 0
    assert json.loads(out)["steps"][0]["verdicts"] == {"new": 2, "unchanged": 1}
    code, _, err = run(capsys, "change", *maps, tmp_path / "out")
    assert code == 1
    assert "(--image, --without-images)" in err
