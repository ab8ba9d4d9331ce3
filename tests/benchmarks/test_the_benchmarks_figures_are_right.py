"""Percentiles, ratios, tables and verdicts: what the report says follows from what was measured."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import report, stats, targets
from benchmarks.drift import BOUND_TOKENS, Drift, cost
from benchmarks.flame import heaviest
from benchmarks.machine import cpu_ns, family, memory_bytes, spent_ns


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert stats.percentile(values, 50) == 50
    assert stats.percentile(values, 99) == 99
    assert stats.percentile(values, 100) == 100
    assert stats.percentile([7.0], 99) == 7
    assert stats.percentile([1.0, 2.0], 50) == 1
    with pytest.raises(ValueError, match="nothing"):
        stats.percentile([], 50)


@pytest.mark.parametrize(("value", "reference", "shown"), [(1234, 10, "123×"), (25, 10, "2.5×"), (5, 10, "0.50×"), (5, 0, "–")])
def test_a_ratio_shows_the_figures_that_mean_something(value: float, reference: float, shown: str) -> None:
    assert stats.ratio(value, reference) == shown


def test_the_spread_is_half_the_range_over_the_median() -> None:
    assert stats.spread([90, 100, 110]) == pytest.approx(0.1)
    assert stats.spread([100]) == 0


def test_cpu_time_of_another_process_is_what_it_used() -> None:
    pid = os.fork()
    if pid == 0:
        while time.process_time() < 0.2:
            pass
        time.sleep(60)
        os._exit(0)
    try:
        assert pid in family(os.getpid())
        deadline = time.monotonic() + 30
        while spent_ns({}, cpu_ns([pid])) < 200_000_000 and time.monotonic() < deadline:
            time.sleep(0.02)
        used = cpu_ns([pid])
        assert 200_000_000 <= used[pid] < 2_000_000_000
        assert memory_bytes([pid]) > 1_000_000
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert cpu_ns([pid]) == {}


def test_results_replace_the_last_ones_and_nothing_else() -> None:
    document = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    once = report.insert(document, "new")
    assert once == f"before\n{report.BEGIN}\n\nnew\n\n{report.END}\nafter\n"
    assert report.insert(once, "new") == once
    with pytest.raises(ValueError, match="markers"):
        report.insert("without any", "new")


def test_the_document_has_a_place_for_results() -> None:
    document = (Path(__file__).parents[2] / "docs" / "performance.md").read_text()
    assert "\nnew\n" in report.insert(document, "new")


def test_a_target_is_reached_on_its_side_only() -> None:
    section = targets.section({"whole_over_litellm": 39.0, "added_p50_ms": 1.5})
    assert [row[-1] for row in section.rows] == ["NO", "yes"]


def test_drift_is_kept_only_within_every_bound() -> None:
    kept = Drift(
        kills=1, requests=10, cut=2, unread=0, generated=100, charged=90, overcharged=0, worst=BOUND_TOKENS, lost=10, lost_bound=10
    )
    assert kept.kept
    for broken in ({"overcharged": 1}, {"worst": BOUND_TOKENS + 1}, {"lost": 11}, {"lost": -1}):
        assert not replace(kept, **broken).kept


def test_the_benchmark_counts_money_as_the_product_does() -> None:
    from apps.catalog.pricing import Rates, Usage, cost_pico
    from apps.core.money import nano_from_pico
    from benchmarks.ours import PRICES_PICO

    rates = Rates(price_id=1, **PRICES_PICO)
    for prompt, output in ((1, 1), (90, 80), (7, 0)):
        assert cost(prompt, output) == nano_from_pico(cost_pico(Usage(prompt, output), rates))


def test_the_heaviest_functions_are_named_once_however_deep(tmp_path: Path) -> None:
    raw = tmp_path / "raw.txt"
    raw.write_text(
        "main (a.py:1);f (a.py:2);f (a.py:2) 3\nmain (a.py:1);g (a.py:9) 1\nt (x.py:1);_worker (concurrent/futures/thread.py:81) 50\n"
    )
    assert heaviest(raw) == [("f (a.py", 0.75, 0.75), ("g (a.py", 0.25, 0.25)]
