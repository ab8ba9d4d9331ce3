"""/docs: the guide's pages and the search over them. They are the same for everyone, and need no database."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from apps.dashboard.docs import library, tree
from apps.dashboard.docs.reference import reference
from apps.dashboard.docs.search import search
from apps.dashboard.site import public_page

FRESH_S = 300


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    return redirect("docs-page", slug=tree.LEAVES[0].slug)


@require_safe
def docs_page(request: HttpRequest, slug: str) -> HttpResponse:
    """404 for what is not in the tree, which is all that is ever read from disk."""
    leaf = tree.BY_SLUG.get(slug)
    if leaf is None:
        raise Http404(f"There is no page {slug} in the documentation.")
    before, after = tree.neighbours(slug)
    context = {"document": library.document(slug), "changed": library.changed(slug), "before": before, "after": after}
    return _shown(request, "dashboard/docs/page.html", {**context, "leaf": leaf})


@require_safe
def api_reference(request: HttpRequest) -> HttpResponse:
    """For who has a session with the token that their own calls need; they alone get a page of their own."""
    return _shown(request, "dashboard/docs/reference.html", {"groups": reference(), "leaf": tree.BY_SLUG["api"]})


@require_safe
def docs_search(request: HttpRequest) -> HttpResponse:
    """The page of results; to htmx its results alone, and nothing at all for an empty question, so that the page below shows again."""
    question = request.GET.get("q", "").strip()
    context = {"question": question, "results": search(question) if question else []}
    if not request.headers.get("HX-Request"):
        return _shown(request, "dashboard/docs/search.html", context)
    response = render(request, "dashboard/docs/_results.html", context) if question else HttpResponse()
    response.headers["Cache-Control"] = f"private, max-age={FRESH_S}"
    patch_vary_headers(response, ["HX-Request"])
    return response


def _shown(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    response = public_page(request, template, {"tree": tree.TREE, **context}, fresh_s=FRESH_S)
    patch_vary_headers(response, ["HX-Request"])
    return response
