"""Promise: every field has its label, its help and its error tied to it; a refused form lists what is wrong and loses nothing typed."""

from __future__ import annotations

import re

from django import forms
from django.template import Context, Template


class KeyForm(forms.Form):
    name = forms.CharField(help_text="What it is for")
    rpm = forms.IntegerField(min_value=1, required=False, label="Requests per minute")
    password = forms.CharField(widget=forms.PasswordInput)
    model = forms.ChoiceField(choices=[("a", "A")])
    kind = forms.ChoiceField(widget=forms.RadioSelect, choices=[("x", "X"), ("y", "Y")], help_text="Which one")
    agree = forms.BooleanField(label="I agree")
    token = forms.CharField(widget=forms.HiddenInput)

    def clean(self) -> None:
        if self.cleaned_data.get("name") == "taken":
            raise forms.ValidationError("There is a key of that name.")


def drawn(text: str, **context: object) -> str:
    return Template("{% load ui %}" + text).render(Context(context))


def tag(html: str, name: str) -> str:
    found = re.search(rf'<(?:input|select|textarea)[^>]*name="{name}"[^>]*>', html)
    assert found, f"no control {name} in {html}"
    return found.group()


def test_each_control_has_a_label_and_our_looks() -> None:
    html = drawn("{{ form }}", form=KeyForm())
    for name, looks in (("name", "input"), ("rpm", "input"), ("password", "input"), ("model", "select")):
        assert f'class="{looks}"' in tag(html, name)
        assert f'<label for="id_{name}">' in html
    assert '<label for="id_agree">I agree</label>' in html
    assert "<legend>Kind</legend>" in html
    assert 'data-reveal="id_password"' in html
    assert html.count(">optional<") == 1
    assert "error" not in html


def test_help_and_error_are_tied_to_the_control() -> None:
    html = drawn("{{ form }}", form=KeyForm({"name": "", "rpm": "-5"}))
    assert 'aria-describedby="id_name_helptext id_name_error"' in tag(html, "name")
    assert 'aria-describedby="id_rpm_error"' in tag(html, "rpm")
    for name in ("name", "rpm", "password"):
        assert 'aria-invalid="true"' in tag(html, name)
        assert f'id="id_{name}_error"' in html
    assert '<fieldset class="field" aria-describedby="id_kind_helptext id_kind_error"' in html
    assert 'value="-5"' in tag(html, "rpm")


def test_the_summary_links_to_each_field() -> None:
    html = drawn(
        "{{ form }}", form=KeyForm({"rpm": "-5", "name": "a", "model": "a", "kind": "x", "password": "p", "agree": "on", "token": "t"})
    )
    assert "One field needs a change" in html
    assert '<a href="#id_rpm">Requests per minute</a>' in html
    refused = drawn("{{ form }}", form=KeyForm({"name": "taken", "model": "a", "kind": "x", "password": "p", "agree": "on", "token": "t"}))
    assert "That did not work" in refused
    assert "<li>There is a key of that name.</li>" in refused
    assert "token" in drawn("{{ form }}", form=KeyForm({}))  # a hidden field's error is not hidden


def test_a_help_of_the_templates_own_is_tied_too() -> None:
    html = drawn('{% field form.rpm help="Empty: no limit" suffix="a minute" classes="num" %}', form=KeyForm())
    assert 'aria-describedby="id_rpm_helptext"' in tag(html, "rpm")
    assert 'class="input num"' in tag(html, "rpm")
    assert '<span class="suffix">a minute</span>' in html


def test_what_was_typed_is_text() -> None:
    html = drawn("{{ form }}", form=KeyForm({"name": '"><script>alert(1)</script>', "rpm": "<b>"}))
    assert "<script>" not in html
    assert "<b>" not in html
