"""What the plugin asks for is what the command line knows."""

from typing import Literal, get_args, get_origin, get_type_hints

import pytest
import typer
from pitmap_qgis import descriptions as d
from pitmap_qgis.command import Source, arguments

from pitmap.cli import app

COMMANDS = typer.main.get_command(app).commands


def choices(hint) -> tuple[str, ...]:
    if get_origin(hint) is Literal:
        return get_args(hint)
    return next(filter(None, map(choices, get_args(hint))), ())


@pytest.mark.parametrize("description", d.ALGORITHMS, ids=lambda a: a.command)
def test_every_option_is_one_of_the_command(description):
    command = COMMANDS[description.command]
    hints = get_type_hints(command.callback, include_extras=True)
    options = {
        flag: p for p in command.params if p.param_type_name == "option" for flag in [*p.opts, *p.secondary_opts]
    }
    for p in description.parameters:
        for flag in filter(None, [p.option, p.layer_option]):
            assert flag in options, f"{description.command} has no {flag}"
        if not p.option:
            continue
        of_command = options[p.option]
        assert of_command.is_flag == (p.kind == d.FLAG)
        assert of_command.multiple == (p.kind in (d.WORDS, d.RASTERS, d.VECTORS))
        assert choices(hints[of_command.name]) == p.choices
        if p.kind != d.FLAG and p.default is not None:
            assert of_command.default == p.default


@pytest.mark.parametrize("description", d.ALGORITHMS, ids=lambda a: a.command)
def test_arguments_stand_in_the_order_of_the_command(description):
    wanted = [p for p in COMMANDS[description.command].params if p.param_type_name == "argument"]
    given = [p for p in description.parameters if not p.option and p.kind != d.FLAG]
    assert len(wanted) == len(given)
    assert [p.required for p in wanted] == [not p.optional for p in given]
    outputs = [p.name in ("out",) for p in wanted]
    assert outputs == [p.is_output for p in given]


def test_names_are_unique_and_outputs_last():
    for a in d.ALGORITHMS:
        names = [p.name for p in a.parameters] + [f.name for f in a.figures]
        assert len(names) == len(set(names)), a.command
        places = [p.is_output for p in a.parameters]
        assert places == sorted(places), a.command


def test_values_become_a_command_line():
    line = arguments(
        d.AUDIT,
        {
            "MINES": Source("/a b/mines.gpkg", "mines"), "REFERENCE": Source("truth.shp"), "REFERENCE_FIELD": "",
            "REFERENCE_VALUES": None, "MINIMUM_M2": 0.1, "DISSOLVE": True, "OVERLAP": 0.5,
            "OUTPUT": "/tmp/verdicts.gpkg",
        },
    )  # fmt: skip
    assert line == [
        "--events", "audit", "--layer", "mines", "--minimum-m2", "0.1", "--overlap", "0.5",
        "--dissolve", "--out", "/tmp/verdicts.json", "--json", "--", "/a b/mines.gpkg", "truth.shp",
    ]  # fmt: skip
    line = arguments(
        d.MAP, {"MODEL": "m.safetensors", "IMAGE": Source("-x.tif"), "MINE_CLASSES": ["OPM", "WDA"], "OUTPUT": "o.tif"}
    )
    assert line == [
        "--events", "map", "--mine-class", "OPM", "--mine-class", "WDA", "--json", "--", "m.safetensors",
        "-x.tif", "o.tif",
    ]  # fmt: skip
