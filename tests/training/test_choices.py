from dataclasses import replace

import pytest
import torch

from pitmap.study.schema import TrainingSection
from pitmap.training import choices
from pitmap.training.choices import Course, Pace, Training
from pitmap.training.recipes import RECIPES, Recipe

CPU = Training("unet", {}, RECIPES["robust"], 0, "cpu")


@pytest.mark.parametrize(("has", "precision"), [(True, "bf16"), (False, "float32")])
def test_the_precision_follows_what_the_device_has(monkeypatch, has, precision):
    monkeypatch.setattr(choices, "has_bf16", lambda device: has)
    assert CPU.precision == precision
    for written in ("float32", "bf16"):
        assert replace(CPU, recipe=replace(CPU.recipe, precision=written)).precision == written


def test_what_changes_the_model_changes_its_key_and_nothing_else_does(samples):
    key = CPU.key(samples)
    assert replace(CPU, device="cuda", devices=2, workers=3).key(samples) == key
    others = [replace(CPU, seed=1), replace(CPU, network="segnet"), replace(CPU, options={"batch_norm": False})]
    for name, value in RECIPES["robust"].to_json().items():
        changed = not value if isinstance(value, bool) else value + 1 if isinstance(value, int | float) else value + "x"
        others.append(replace(CPU, recipe=Recipe(**{**RECIPES["robust"].to_json(), name: changed})))
    keys = {other.key(samples) for other in others}
    assert len(keys | {key}) == len(others) + 1


def test_a_network_that_is_asked_for_by_name_has_the_options_of_the_section_only_if_it_is_the_sections():
    section = TrainingSection(network="unet", options={"batch_norm": False}, device="cpu", devices=2)
    assert Training.of(section, 3).options == {"batch_norm": False}
    assert Training.of(section, 3, "segnet").options == {}
    assert (Training.of(section, 3).devices, Training.of(section, 3).seed) == (2, 3)


def test_the_course_of_short_epochs_is_validated_forty_times():
    course = Course.of(replace(RECIPES["robust"], batch=4, steps=400), 64, 10)
    assert (course.batch, course.batches, course.epochs, course.every) == (4, 3, 135, 3)
    assert (course.steps, course.validations) == (405, 45)
    paper = Course.of(RECIPES["paper"], 512, 10)
    assert (paper.epochs, paper.every, paper.validations) == (20, 1, 20)


def test_steps_of_gradients_that_are_added():
    course = Course(batch=2, batches=5, accumulate=2, epochs=3, every=1)
    assert course.steps == 9
    assert [course.ends_step(i) for i in range(5)] == [False, True, False, True, True]
    assert [course.steps_before(1, i) for i in range(5)] == [3, 3, 4, 4, 5]


def test_the_forecast_leaves_out_the_first_steps(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(choices.time, "perf_counter", lambda: now[0])
    pace = Pace(torch.device("cpu"))
    known = []
    for step in range(20):
        if step % 5 == 0:
            now[0] += 100  # a validation
            pace.start()
        now[0] += 50 if step < Pace.LEFT_OUT else 2
        known.append(pace.knows_after_this_step())
    assert known.index(True) == Pace.LEFT_OUT + Pace.TIMED - 1
    assert known.count(True) == 1
    assert pace.forecast(300, 10, 60.0).endswith("300 more steps and 10 validations take about 20 min.")


@pytest.mark.parametrize(("there", "threads"), [(1, 1), (2, 2), (64, choices.MOST_WORKERS)])
def test_threads_that_read_are_as_many_as_cores_up_to_a_few(monkeypatch, there, threads):
    monkeypatch.setattr(choices, "cores", lambda: there)
    assert Training.of(TrainingSection(device="cpu"), 0).workers == threads
    assert Training.of(TrainingSection(device="cpu", workers=0), 0).workers == 0


@pytest.mark.parametrize("workers", [-1, "many"])
def test_other_numbers_of_threads_are_refused(workers):
    with pytest.raises(ValueError, match="workers"):
        TrainingSection(workers=workers)
