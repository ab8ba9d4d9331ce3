import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.presets.merging import TOGETHER, instructed, merged

NAMES = sorted({name for group in TOGETHER for name in group} | {"model", "temperature", "seed", "stop"})
sides = st.dictionaries(st.sampled_from(NAMES), st.sampled_from([b"null", b"1", b'"a"']).map(msgspec.Raw))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine draws slowly
@given(request=sides, preset=sides)
def test_every_field_of_the_request_stands_and_the_rest_is_the_presets(request, preset):
    result = merged(request, preset)
    assert {name: result[name] for name in request} == request
    for name in result.keys() - request.keys():
        assert result[name] == preset[name]
    for name in preset.keys() - result.keys():
        assert any(name in group and request.keys() & set(group) for group in TOGETHER)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine draws slowly
@given(request=sides, preset=sides)
def test_fields_of_one_meaning_come_from_one_side(request, preset):
    result = merged(request, preset)
    for group in TOGETHER:
        if request.keys() & set(group):
            assert result.keys() & set(group) == request.keys() & set(group)


def test_the_presets_system_prompt_comes_first_unless_the_request_has_one():
    asked = msgspec.Raw(b'[{"role":"user","content":"hi"}]')
    assert msgspec.json.decode(instructed(asked, "Be brief.")) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
    ]
    assert instructed(asked, "") is asked
    for role in ("system", "developer"):
        own = msgspec.Raw(b'[{"role":"%b","content":"Mine."},{"role":"user","content":"hi"}]' % role.encode())
        assert instructed(own, "Be brief.") is own
