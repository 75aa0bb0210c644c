from dataclasses import fields

import pytest

from pitmap.study.schema import TrainingSection
from pitmap.training.recipes import EPOCH_RANGE, RECIPES, Recipe, resolve


def test_the_paper_recipe_is_what_the_paper_states():
    recipe = resolve(TrainingSection(recipe="paper"), on_gpu=False)
    assert (recipe.learning_rate, recipe.epochs, recipe.loss, recipe.width) == (1e-4, 20, "cross_entropy", 64)
    assert (recipe.schedule, recipe.weight_decay, recipe.class_weights) == ("constant", 0.0, "none")
    assert (recipe.augmentation, recipe.jitter, recipe.monitor, recipe.averaging) == (False, 0.0, "loss", 0.0)


def test_the_robust_width_depends_on_the_device():
    assert resolve(TrainingSection(), on_gpu=False).width == 16
    assert resolve(TrainingSection(), on_gpu=True).width == 64


def test_transfer_is_robust_with_what_lets_it_map_other_dates():
    robust, transfer = (
        resolve(TrainingSection(recipe=name), on_gpu=False).to_json() for name in ("robust", "transfer")
    )
    differ = {name for name in robust if robust[name] != transfer[name]}
    assert differ == {"name", "jitter", "own_statistics", "vary_statistics"}
    assert (robust["own_statistics"], robust["vary_statistics"], robust["jitter"]) == (0.0, False, 0.0)


def test_written_fields_win_over_the_recipe():
    recipe = resolve(TrainingSection(recipe="paper", epochs=3, width=8, jitter=0.1, early_stopping=0), on_gpu=False)
    assert (recipe.epochs, recipe.width, recipe.jitter) == (3, 8, 0.1)
    assert recipe.learning_rate == RECIPES["paper"].learning_rate


def test_epochs_follow_from_steps():
    recipe = resolve(TrainingSection(), on_gpu=False)
    assert recipe.epochs_for(10) == min(max(round(recipe.steps / 10), EPOCH_RANGE[0]), EPOCH_RANGE[1])
    assert recipe.epochs_for(10_000) == EPOCH_RANGE[0]
    assert resolve(TrainingSection(epochs=7), on_gpu=False).epochs_for(10) == 7


def test_every_field_of_a_recipe_can_be_written():
    beside = {"recipe", "network", "options", "device", "devices", "seeds", "workers"}
    assert {f.name for f in fields(Recipe)} - {"name"} == set(TrainingSection.model_fields) - beside
    recipe = resolve(TrainingSection(averaging=0.5, steps=77), on_gpu=False)
    assert (recipe.averaging, recipe.steps) == (0.5, 77)


def test_steps_that_are_written_win_over_the_epochs_of_the_recipe():
    recipe = resolve(TrainingSection(recipe="paper", steps=100), on_gpu=False)
    assert recipe.epochs_for(5) == 20
    assert recipe.epochs_for(4) == 25
    with pytest.raises(ValueError, match="epochs or steps, not both"):
        TrainingSection(steps=100, epochs=3)


@pytest.mark.parametrize(
    ("field", "name", "text"),
    [
        ("loss", "dise_cross_entropy", "Did you mean 'dice_cross_entropy'"),
        ("class_weights", "invers", "Did you mean 'inverse'"),
        ("schedule", "linear", "one of constant, cosine"),
    ],
)
def test_a_name_that_no_table_has_is_refused_when_the_project_is_read(field, name, text):
    with pytest.raises(ValueError, match=text):
        TrainingSection(**{field: name})


def test_parts_of_ones_own_are_taken():
    section = TrainingSection(
        loss="training.own_parts:hinge", class_weights="training.own_parts:rising", schedule="training.own_parts:half"
    )
    assert resolve(section, on_gpu=False).loss == "training.own_parts:hinge"
