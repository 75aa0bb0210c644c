import pytest
from pydantic import ValidationError

from pitmap.errors import ProjectError
from pitmap.mapping.engines import ENGINES
from pitmap.samples.division import SPLITS
from pitmap.study.schema import (
    ENGINE,
    LOSS,
    SCHEDULE,
    SPLIT,
    WEIGHTING,
    CompareSection,
    MappingSection,
    SamplesSection,
    TrainingSection,
    model_in,
)
from pitmap.study.study import Study, load_study
from pitmap.training.losses import LOSSES, WEIGHTINGS
from pitmap.training.schedule import SCHEDULES
from studies import grid, quilt, write_project, write_site


def test_names_here_are_those_of_the_tables():
    assert set(SPLIT.names) == set(SPLITS)
    assert set(ENGINE.names) == {"auto", *ENGINES}
    assert set(LOSS.names) == set(LOSSES)
    assert set(SCHEDULE.names) == set(SCHEDULES)
    assert set(WEIGHTING.names) == set(WEIGHTINGS)


@pytest.mark.parametrize(
    ("section", "values"),
    [
        (SamplesSection, {"split": "block"}),
        (CompareSection, {"splits": ["block"]}),
        (MappingSection, {"engine": "troch"}),
        (TrainingSection, {"loss": "dise_cross_entropy"}),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(section, values):
    with pytest.raises(ValidationError, match=r"there is no .*Did you mean '(blocks|torch|dice_cross_entropy)'"):
        section.model_validate(values)
    own = {key: ["own.module:name"] if isinstance(value, list) else "own.module:name" for key, value in values.items()}
    section.model_validate(own)


def test_what_cannot_be_imported_is_a_problem_before_work_starts(tmp_path):
    write_site(tmp_path, "a", quilt(64, 64), grid(64, 64))
    more = (
        '[training]\nnetwork = "unetpluss"\n[mapping]\nengine = "no.such.module:make"\n'
        '[compare]\nsplits = ["mapping:no"]'
    )
    with pytest.raises(ProjectError) as caught:
        load_study(write_project(tmp_path, ["a"], more))
    text = str(caught.value)
    assert "3 problems" in text
    assert "[mapping] engine: The mapping engine 'no.such.module:make' cannot be imported" in text
    assert "[compare] splits: The split 'mapping:no' cannot be imported" in text
    assert "no network 'unetpluss'" in text
    with pytest.raises(ProjectError, match=r"no option 'fushion'.*Did you mean 'fusion'"):
        load_study(write_project(tmp_path, ["a"], '[training]\noptions = { fushion = "concat" }'))


def test_the_model_of_a_table_is_found_in_lists_and_options():
    fields = Study.model_fields
    assert model_in(fields["samples"].annotation) is SamplesSection
    site = model_in(fields["sites"].annotation)
    assert site is not None
    assert model_in(site.model_fields["groups"].annotation).__name__ == "GroupTable"
    assert model_in(site.model_fields["bands"].annotation) is None
