"""Promise: staff write what a backend costs, and see what each price leaves of it, exactly; a loss is said."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.audit.models import Entry
from apps.catalog.actions import save_backend
from apps.catalog.margins import Margin
from apps.catalog.models import Backend, Model, Price
from tests.catalog.test_staff_edit_the_catalogue import backend_data
from tests.staff import staff_client

SPACE, MINUS = "\N{NO-BREAK SPACE}", "\N{MINUS SIGN}"


@pytest.mark.parametrize(
    ("earned", "cost", "gain", "percent"),
    [(1_000_000, 375_000, 625_000, "62.5"), (3, 1, 2, "66.6"), (10**10, 10**10 + 1, -1, f"{MINUS}0.1"), (7, 7, 0, "0.0"), (1, 3, -2, f"{MINUS}200.0")],
)  # fmt: skip
def test_a_margin_is_exact_and_its_percentage_never_flatters(earned: int, cost: int, gain: int, percent: str) -> None:
    assert (Margin(earned, cost).gain, Margin(earned, cost).percent) == (gain, f"{percent}{SPACE}%")
    assert Margin(0, cost).percent == ""


@pytest.mark.urls("tests.staff")
def test_costs_are_written_kept_emptied_and_on_record(model: Model) -> None:
    backend, _ = save_backend(model, "http://127.0.0.1:9/v1", {"upstream_model": "m"})
    client, page = staff_client(), f"/admin/catalog/backend/{backend.pk}/change/"

    def saved(**fields: str) -> tuple[int | None, int | None]:
        answer = client.post(page, backend_data(model, **fields))
        assert answer.status_code == 302, answer.content.decode()
        backend.refresh_from_db()
        return backend.input_cost_pico, backend.output_cost_pico

    assert saved(input_cost="0.0375", output_cost="2.5") == (37_500, 2_500_000)
    assert b'value="0.0375"' in client.get(page).content  # or saving anything else would lose it
    entry = Entry.objects.filter(object_id=str(backend.pk), object_type="catalog.backend").latest("pk")
    assert (entry.before, entry.after) == (
        {"input_cost_pico": None, "output_cost_pico": None},
        {"input_cost_pico": 37_500, "output_cost_pico": 2_500_000},
    )
    for wrong, field in (({"input_cost": "1"}, "output_cost"), ({"input_cost": "-1", "output_cost": "1"}, "input_cost")):
        answer = client.post(page, backend_data(model, **wrong))
        assert list(answer.context["adminform"].form.errors) == [field]
    assert saved() == (None, None)
    with pytest.raises(IntegrityError), transaction.atomic():
        Backend.objects.filter(pk=backend.pk).update(output_cost_pico=1)


@pytest.mark.urls("tests.staff")
def test_a_models_prices_show_their_margin_at_each_backend(model: Model) -> None:
    client, page = staff_client(), f"/admin/catalog/model/{model.pk}/change/"
    cheap, _ = save_backend(model, "http://127.0.0.1:9/v1", {})
    save_backend(model, "http://127.0.0.1:10/v1", {})
    assert "http://127.0.0.1:9/v1: </span>no cost is recorded" in client.get(page).content.decode()
    Backend.objects.filter(pk=cheap.pk).update(input_cost_pico=375_000, output_cost_pico=2_500_000)
    shown = client.get(page).content.decode()
    assert f"http://127.0.0.1:9/v1: </span>input 62.5{SPACE}% ($0.625 per million), output " in shown
    assert f'<strong class="loss">loss {MINUS}25.0{SPACE}% ({MINUS}$0.50 per million)</strong>' in shown
    assert "http://127.0.0.1:9/v1: </span>input costs $0.375 per million, output costs $2.50 per million" in shown  # next to a new price
    assert "http://127.0.0.1:10/v1: </span>no cost is recorded" in shown
    assert '<td class="field-holds">' in shown
    listed = client.get("/admin/catalog/model/", {"q": model.public_id}).content.decode()
    assert "1 without a cost" in listed
    assert 'class="loss"' in listed
    Price.objects.create(
        model=model, effective_from=timezone.now() + timedelta(days=3, minutes=5), input_pico=9_000_000, output_pico=9_000_000
    )
    listed = client.get("/admin/catalog/model/", {"q": model.public_id}).content.decode()
    assert f"1 / 2; in 3{SPACE}days: 9 / 9" in listed
    assert 'class="loss"' in listed  # still of the price that holds now
    shown = client.get(page).content.decode()
    assert [shown.count(f"<p>{words}</p>") for words in ("now", f"in 3{SPACE}days", "from its date, once saved")] == [1, 1, 1]


@pytest.mark.urls("tests.staff")
def test_a_price_that_is_typed_shows_its_margin_kind_by_kind(model: Model) -> None:
    client, page = staff_client(), f"/admin/catalog/model/{model.pk}/margins/"

    def said(**typed: str) -> str:
        answer = client.get(page, typed)
        assert answer.status_code == 200
        return answer.content.decode()

    assert said(input_price="1") == "no backend"
    backend, _ = save_backend(model, "http://127.0.0.1:9/v1", {})
    assert "no cost is recorded" in said(input_price="1")
    Backend.objects.filter(pk=backend.pk).update(input_cost_pico=375_000, output_cost_pico=2_500_000, is_active=False)
    assert "http://127.0.0.1:9/v1 (drained): </span>input costs $0.375 per million, output costs $2.50 per million" in said(
        output_price=" "
    )
    half = said(input_price="1.", output_price="")
    assert f"input 62.5{SPACE}% ($0.625 per million), output costs" in half
    whole = said(input_price="1", cache_read_price="0.1", output_price="2.5")
    assert f'cached input <strong class="loss">loss {MINUS}275.0{SPACE}% ({MINUS}$0.275 per million)</strong>' in whole
    assert f"output 0.0{SPACE}% ($0.00 per million)" in whole
    for field, wrong, name in (
        ("input_price", "x", "input"),
        ("output_price", "-1", "output"),
        ("cache_read_price", "0.0000001", "cached input"),
        ("request_price", "9" * 99, "USD per request"),
    ):
        assert said(**{field: wrong}).startswith(f"{name}: ")
    assert client.get("/admin/catalog/model/9999999/margins/").status_code == 404
