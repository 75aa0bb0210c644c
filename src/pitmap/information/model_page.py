"""A model as a page in Markdown: a model card (Mitchell et al. 2019, doi 10.1145/3287560.3287596)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pitmap.networks.model_card import ModelCard, TrainingGround, TrainingRecord


def page(path: Path, card: ModelCard, tested: dict[str, Any] | None = None) -> str:
    """The page.

    Args:
        path: The model file.
        card: Its card.
        tested: Figures of its maps on test ground, ``test`` of a study's ``accuracy.json``; None where there are none.
    """
    parts = [
        f"# {path.name}",
        f"{_network(card)} Land cover from {len(card.bands)} bands in {len(card.legend)} classes"
        + (f", of the study {card.project!r}." if card.project else "."),
        "## What it takes and gives",
        _table(("", ""), _properties(card)),
        "## Classes",
        _classes(card, tested),
        "## Training ground",
        *_training(card),
        "## Figures",
        *_figures(card, tested),
        "## Limits",
        *[f"- {limit}" for limit in _limits(card, tested)],
        "## Use",
        f"    pitmap map {path.name} IMAGE.tif MAP.tif --mines MINES.gpkg",
    ]
    return "\n\n".join(parts).replace("\n\n- ", "\n- ").replace("## Limits\n- ", "## Limits\n\n- ")


def _network(card: ModelCard) -> str:
    options = {k: v for k, v in card.options.items() if k != "width" and v is not None}
    other = "".join(f", {k} = {v}" for k, v in options.items())
    return f"Network {card.network}, width {card.options.get('width')}{other}, seed {card.seed}."


def _properties(card: ModelCard) -> Iterator[tuple[str, str]]:
    yield "bands, in this order", ", ".join(card.bands)
    yield "numbers", "reflectance (DN x scale + offset)" if card.unit == "reflectance" else f"plain {card.dtype} values"
    yield "mean of the training ground", _numbers(card.mean)
    yield "standard deviation", _numbers(card.std)
    if card.own_statistics:
        yield "normalised by", f"{card.own_statistics:.0%} the image's own mean and standard deviation, the rest these"
    yield (
        "size of a pixel",
        "not known" if card.pixel_size_m is None else f"{card.pixel_size_m:.4g} m, give or take 10 %",
    )
    yield "gives", "land-cover codes, and how sure it is of each"
    yield (
        "calibrated by",
        "nothing" if card.temperature is None else f"temperature {card.temperature:.3g}, on validation ground",
    )
    yield (
        "same codes in bf16",
        "not measured" if card.bf16_agreement is None else f"{card.bf16_agreement:.2%} of pixels",
    )
    yield "versions", ", ".join(f"{name} {number}" for name, number in card.versions.items()) or "not known"
    yield "SHA-256", f"`{card.sha256}`"


def _classes(card: ModelCard, tested: dict[str, Any] | None) -> str:
    counts: dict[str, int] = {}
    for ground in () if card.training is None else card.training.ground:
        for key, number in ground.labelled_pixels.items():
            counts[key] = counts.get(key, 0) + number
    figures = {} if tested is None else {c["key"]: c for c in tested["figures"]["classes"]}
    head = ["code", "key", "class", "colour"]
    head += ["training pixels"] * bool(counts) + ["IoU", "user's accuracy", "producer's accuracy"] * bool(figures)
    rows = []
    for c in card.legend:
        row = [str(c.code), c.key, c.name, c.colour]
        if counts:
            row.append(f"{counts.get(c.key, 0):,}")
        if figures:
            found = figures.get(c.key, {})
            row += [_share(found.get(name)) for name in ("iou", "users_accuracy", "producers_accuracy")]
        rows.append(row)
    return _table(head, rows)


def _training(card: ModelCard) -> Iterator[str]:
    record = card.training
    if record is None:
        yield "Not known: the model was not trained by pitmap."
        return
    if record.ground:
        head = ("image", "site", "taken", "west, south, east, north (degrees)", "training pixels")
        yield _table(head, [_ground(g) for g in record.ground])
    else:
        yield "The images are not recorded."
    recipe = ", ".join(f"{k} {v}" for k, v in record.recipe.items())
    yield (
        f"Split: {record.split.get('kind', 'not known')}. Epoch {record.best_epoch} of {record.epochs} was kept. "
        f"Trained in {record.precision} on {record.device}: {recipe}."
    )


def _ground(ground: TrainingGround) -> tuple[str, ...]:
    edges = "not known" if ground.bounds is None else ", ".join(f"{v:.4f}" for v in ground.bounds)
    return ground.scene, ground.site, ground.acquired or "not known", edges, f"{sum(ground.labelled_pixels.values()):,}"


def _figures(card: ModelCard, tested: dict[str, Any] | None) -> Iterator[str]:
    record: TrainingRecord | None = card.training
    if record is not None:
        yield (
            "On validation ground, by which the epoch was chosen (so too good): mIoU "
            f"{record.validation_miou:.3f}, overall accuracy {record.validation_accuracy:.3f}."
        )
    if tested is None:
        yield "On test ground: none lie beside the model (`accuracy.json` of its study)."
        return
    found = tested["figures"]
    yield (
        f"On {tested['ground']} ({found['total']:,.0f} pixels): overall accuracy "
        f"{_share(found['overall_accuracy'])}, kappa {_share(found['kappa'])}, mIoU {_share(found['mean_iou'])}; by "
        f"class above. {tested['kind']}"
    )


def _limits(card: ModelCard, tested: dict[str, Any] | None) -> Iterator[str]:
    yield "It knows the classes above and no others; what is none of them is given one of their names."
    if card.pixel_size_m is not None:
        yield f"Images with pixels of another size than {card.pixel_size_m:.4g} m by more than 10 % are refused."
    record = card.training
    grounds = () if record is None else record.ground
    days = sorted({g.acquired[:10] for g in grounds if g.acquired})
    sites = {g.site for g in grounds}
    if grounds:
        taken = f"{len(days)} day(s), {days[0]} to {days[-1]}" if days else "days that are not known"
        yield (
            f"It learnt from {len(sites)} site(s) and {taken}. On other ground, seasons and sensors its figures do not "
            "hold: assess the map there (`pitmap design`, `pitmap estimate`)."
        )
        total: dict[str, int] = {}
        for ground in grounds:
            for key, number in ground.labelled_pixels.items():
                total[key] = total.get(key, 0) + number
        rare = [c.key for c in card.legend if total.get(c.key, 0) < 0.01 * sum(total.values())]
        if rare:
            yield f"Less than 1 % of the training pixels: {', '.join(rare)}."
    if tested is not None:
        poor = [c["key"] for c in tested["figures"]["classes"] if c["iou"] is not None and c["iou"] < 0.5]
        if poor:
            yield f"IoU below 0.5 on test ground: {', '.join(poor)}."
    if card.temperature is None:
        yield "Its probabilities are not calibrated."


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{v:.5g}" for v in values)


def _table(head: Sequence[str], rows: Iterator[tuple[str, str]] | Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
