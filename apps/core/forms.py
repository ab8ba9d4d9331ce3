"""How Django draws forms on our pages: `{{ form }}` and `{{ field.as_field_group }}` come out of templates/forms/.

The admin's forms have layouts of their own and are not touched by this.
"""

from __future__ import annotations

from django.forms.renderers import TemplatesSetting


class PageRenderer(TemplatesSetting):
    form_template_name = "forms/form.html"
    field_template_name = "forms/field.html"
