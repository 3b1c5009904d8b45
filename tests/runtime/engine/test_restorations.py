"""Which settings a graph must have been exported with."""

import pytest

from pnp_priors import registry
from pnp_priors.pipelines import files
from pnp_priors.pipelines.schema import TASKS
from pnp_priors.runtime.engine.restorations import KEYS, restoration_graph


@pytest.mark.parametrize("task", KEYS)
def test_every_key_of_a_solver_counts(task):
    """The number of iterations is looked for by itself: it may be an input."""
    solver = TASKS[task].model_fields["solver"].annotation
    expected = {f"solver.{key}" for key in solver.model_fields} - {"solver.iterations"}
    assert {key for key in KEYS[task] if key.startswith("solver.")} == expected


def settings_of(task):
    """A pipeline's, and those that a file states which was exported from it."""
    pipeline = files.read(files.find(task.replace("-", "_")), {"prior.name": "ffdnet-gray"})
    return pipeline, pipeline.model_dump(mode="json")


@pytest.mark.parametrize("task", KEYS)
def test_a_file_from_before_a_key_does_not_serve(make_passport, task):
    pipeline, stated = settings_of(task)
    card = registry.describe("ffdnet-gray")
    wanted = restoration_graph(pipeline, card, 3, {})

    def passport(settings):
        return make_passport(
            kind="restoration",
            task=task,
            prior=card.name,
            weights_sha256=registry.fingerprint(card),
            settings=settings,
        )

    assert wanted.fits(passport(stated))
    for key in KEYS[task]:
        *above, last = key.split(".")
        lacking = {**stated, **{part: dict(stated[part]) for part in above}}
        del (lacking[above[0]] if above else lacking)[last]
        assert not wanted.fits(passport(lacking)), key
    other = {**stated, "solver": {**stated["solver"], "mirror": False}}
    assert not wanted.fits(passport(other))


def test_the_command_that_exports_it_says_so():
    card = registry.describe("ffdnet-gray")
    pipeline = files.read(
        files.find("deconvolution"), {"prior.name": card.name, "solver.mirror": False}
    )
    wanted = restoration_graph(pipeline, card, 3, {})
    assert "solver.mirror=false" in wanted.arguments
    assert wanted.file == "deconvolution-ffdnet-gray-mirror-false.onnx"
