from pitmap.training.curves import draw_curves, read_curves, write_curves

ROWS = [
    {"epoch": float(e), "loss": 2 / e, "validation_loss": 3 / e, "validation_miou": 0.1 * e,
     "validation_accuracy": 0.2 * e, "learning_rate": 1e-3} for e in (1, 2, 3)
]  # fmt: skip


def test_a_table_and_a_picture_that_are_the_same_each_time(tmp_path):
    for name in ("a", "b"):
        write_curves(tmp_path / f"{name}.csv", ROWS)
        draw_curves(tmp_path / f"{name}.png", ROWS, 2)
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert [row["epoch"] for row in read_curves(tmp_path / "a.csv")] == [1, 2, 3]
    assert "seconds" not in (tmp_path / "a.csv").read_text()
