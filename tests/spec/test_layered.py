"""The layered mapping: every version behaves like the dict that the same changes make."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.models.layered import Layered, layered

pytestmark = pytest.mark.unit

KEYS = st.integers(0, 400).map(str)
CHANGES = st.lists(st.tuples(KEYS, st.sampled_from((None, 0, 1, ())), st.booleans()), max_size=40)


@given(st.integers(0, 400), CHANGES, st.booleans())
def test_versions_when_changed_then_each_is_the_dict_of_its_own_changes(
    base: int, changes: list[tuple[str, object, bool]], reads: bool
) -> None:
    """No version sees a later one's changes, whether it was read as a whole in between or not."""
    plain: dict[str, object] = {str(number): number for number in range(base)}
    versions = [(layered(plain), dict(plain))]
    for key, value, goes in changes:
        now = versions[-1][0]
        if goes:
            plain.pop(key, None)
            now = now.without(key)
        else:
            plain[key] = value
            now = now.put(key, value)
        if reads:
            assert dict(now.items()) == plain
        versions.append((now, dict(plain)))
    for version, expected in versions:
        assert len(version) == len(expected)
        assert all(version[key] is value for key, value in expected.items())
        assert all((str(number) in version) == (str(number) in expected) for number in range(401))
        assert version == expected
        assert sorted(version) == sorted(expected)
        assert layered(version) is version


def test_mapping_when_it_grows_far_beyond_a_layer_then_nothing_is_lost_and_order_stays() -> None:
    """The layers are joined again and again; keys keep the order in which they became known."""
    mapping: Layered[int] = Layered()
    for number in range(2000):
        mapping = mapping.put(str(number), number)
        if number % 3 == 0:
            mapping = mapping.put("0", number)
    assert list(mapping) == [str(number) for number in range(2000)]
    assert mapping["0"] == 1998
    with pytest.raises(KeyError):
        mapping.without("7")["7"]
