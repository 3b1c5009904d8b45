from pnp_priors.benchmark.render import markdown
from pnp_priors.benchmark.results import Cell


def cell(prior: str, level: float, psnr: float, **changes) -> Cell:
    content = {
        "task": "denoising",
        "dataset": "BSD68",
        "method": None,
        "blur": None,
        "prior": prior,
        "level": level,
        "weights": "0" * 64,
        "protocol": 1,
        "limit": None,
        "date": "2025-01-02",
        "versions": {"pnp_priors": "0.1", "torch": "2.9"},
        "degraded_psnr": 20.17,
        "degraded_ssim": 0.45,
        "psnr": psnr,
        "ssim": 0.81234,
        "images": {"a.png": (psnr, 0.8), "b.png": (psnr, 0.8)},
    }
    return Cell.model_validate(content | changes)


def lines_of(*cells: Cell) -> list[str]:
    return markdown(cells).splitlines()


def test_a_table_has_published_numbers_of_the_same_method_and_the_difference() -> None:
    lines = lines_of(
        cell("trd-7x7-s25", 25, 28.874), cell("trd-7x7-s50", 50, 25.974), cell("own", 25, 28)
    )
    assert "### BSD68 (2 images)" in lines
    assert "| (noisy) | 20.17 0.4500 |  | 20.17 0.4500 |  |" in lines
    head = next(line for line in lines if line.startswith("|  |"))
    assert head == "|  | σ = 25 | published | σ = 50 | published |"
    number = {
        line.split("] ")[1].strip(): line[1 : line.index("]")]
        for line in lines
        if line.startswith("[")
    }
    trd, dncnn = number["TRD, CVPR 2015, table 1"], number["DnCNN, IEEE TIP 26(7), 2017, table II"]
    # From the first row that has the level: 25 from TRD's own table, 50 from another paper's.
    row = next(line for line in lines if line.startswith("| `trd-7x7-s25`"))
    assert row == f"| `trd-7x7-s25` | **28.87** 0.8123 | 28.92 [{trd}] −0.05 |  |  |"
    row = next(line for line in lines if line.startswith("| `trd-7x7-s50`"))
    assert row == f"| `trd-7x7-s50` |  |  | **25.97** 0.8123 | 25.97 [{dncnn}] +0.00 |"
    assert "| `own` | **28.00** 0.8123 |  |  |  |" in lines
    assert f"| *TRD 7x7, 5 stages* [{trd}] | 28.92 |  |  |  |" in lines
    # Every row of the table has as many cells as its head.
    table = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in table} == {6}


def test_some_images_are_not_compared_with_whole_sets() -> None:
    lines = lines_of(cell("trd-7x7-s25", 25, 28, limit=2))
    assert "### BSD68 (2 images, the first of the set only)" in lines
    assert any("| 28.92 [" in line and "**28.00**" in line for line in lines)
    assert not any("−" in line for line in lines)
    assert "pnp-priors bench denoising trd-7x7-s25 --set BSD68 --sigma 25 --limit 2" in lines


def test_priors_of_the_same_levels_share_a_command() -> None:
    text = "\n".join(
        lines_of(cell("a", 15, 30), cell("a", 25, 30), cell("b", 15, 30), cell("c", 15, 30))
    )
    assert "\npnp-priors bench denoising a --set BSD68 --sigma 15 --sigma 25\n" in text
    assert "\npnp-priors bench denoising b c --set BSD68 --sigma 15\n" in text


def test_tasks_and_sets_are_apart_and_every_protocol_is_said() -> None:
    changes = {"task": "super-resolution", "dataset": "Set5", "method": "hqs"}
    deblocking = {"task": "deblocking", "dataset": "LIVE1", "versions": {"torch": "3"}}
    lines = lines_of(
        cell("a", 15, 30),
        cell("dncnn-3", 2, 37, **changes),
        cell("dncnn-3", 2, 37, **changes | {"method": "direct"}),
        cell("b", 10, 29, **deblocking),
    )
    heads = [line for line in lines if line.startswith("##")]
    assert heads == [
        "## Denoising",
        "### BSD68 (2 images)",
        "## Deblocking",
        "### LIVE1 (2 images)",
        "## Super-resolution",
        "### Set5 (2 images)",
        "## When and with what",
    ]
    assert len([line for line in lines if line.startswith("Protocol: ")]) == 3
    direct = next(line for line in lines if line.startswith("| `dncnn-3`, direct"))
    assert "37.58" in direct
    assert "−0.58" in direct
    hqs = next(line for line in lines if line.startswith("| `dncnn-3`, hqs"))
    assert "37.58" not in hqs
    assert "- 2025-01-02, torch 3: `b`" in lines
    assert "- 2025-01-02, pnp_priors 0.1, torch 2.9: `a`, `dncnn-3`" in lines
