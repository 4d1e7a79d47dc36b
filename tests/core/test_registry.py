"""Registries and plug-ins: what is found, what is refused, and that one broken plug-in stops nobody else's."""

import os
import subprocess
import sys
import textwrap
from typing import Protocol

import pytest

import localnoise as ln
from localnoise import plugins
from localnoise.errors import ArgumentError, LocalnoiseError, PluginError, PluginWarning, UnknownNameError
from localnoise.orders import ORDERS
from localnoise.registry import Registry
from localnoise.rules import RULES


class Greeting(Protocol):
    language: str

    def greet(self, name: str) -> str: ...


class Hello:
    language = "en"

    def greet(self, name):
        return f"Hello {name}"


@pytest.fixture
def greetings(monkeypatch):
    monkeypatch.setenv(plugins.VARIABLE, "")
    plugins._fault.cache_clear()
    registry = Registry("greeting", Greeting, group="test.greetings", first=("second", "first"))
    registry.register("first")(Hello)
    registry.register("second")(Hello())
    return registry


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Return a function that lays out an installed distribution with one module and its entry points."""
    monkeypatch.syspath_prepend(tmp_path)
    made = []

    def install(module, code, *, group="test.greetings", **points):
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(code))
        info = tmp_path / f"{module}_dist-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}-dist\nVersion: 1.2\n")
        (info / "top_level.txt").write_text(f"{module}\n")
        (info / "RECORD").write_text(f"{module}.py,,\n")
        lines = [f"{name} = {module}:{value}" for name, value in points.items()]
        (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines]) + "\n")
        made.append(module)

    yield install
    plugins._distributions.cache_clear()
    for module in made:
        sys.modules.pop(module, None)


HEY = """
class Hey:
    language = "fr"
    def greet(self, name): return "Salut " + name
"""


def test_a_registry_is_a_mapping_in_the_order_that_it_lists(greetings):
    assert list(greetings) == ["second", "first"]
    assert "first" in greetings
    assert greetings["first"] is greetings.find("first") is greetings.get("first") is Hello
    assert greetings.get("third") is None
    assert "third" not in greetings
    assert len(greetings) == 2


def test_an_unknown_name_is_refused_with_those_that_are_known(greetings):
    with pytest.raises(UnknownNameError) as told:
        greetings.find("frist")
    assert str(told.value) == "greeting='frist': expected one of 'second', 'first'; did you mean 'first'?"
    assert isinstance(told.value, (ArgumentError, KeyError))
    for wrong in (None, 3, [], "a\nb"):
        with pytest.raises(UnknownNameError, match=r"hi=.*expected one of"):
            greetings.find(wrong, "hi")
    with pytest.raises(KeyError):
        greetings["x"]


class Silent:
    language = "en"


@pytest.mark.parametrize(
    ("name", "part", "told"),
    [
        ("third", Silent, "greeting 'third' of .*Silent has no greet: expected a part that follows Greeting"),
        ("third", object(), "has no language and no greet"),
        ("a b", Hello, "name='a b': expected letters"),
        ("", Hello, "name='': expected letters"),
        (None, Hello, "name=None: expected letters"),
    ],
)
def test_what_does_not_follow_the_protocol_is_refused(greetings, name, part, told):
    with pytest.raises(LocalnoiseError, match=told):
        greetings.register(name)(part)
    assert list(greetings) == ["second", "first"]


def test_a_taken_name_is_refused_and_a_module_that_runs_again_is_not(greetings):
    class Other(Hello):
        pass

    with pytest.raises(ArgumentError, match=r"greeting 'first' is registered already, by .*Hello: .*rename the one of"):
        greetings.register("first")(Other)
    greetings.register("third")(Other)
    again = type("Other", (Other,), {"__qualname__": Other.__qualname__, "__module__": Other.__module__})
    greetings.register("third")(again)
    assert greetings["third"] is again


def test_entry_points_are_listed_unimported_and_imported_when_asked_for(greetings, package):
    package("greet_fr", HEY, hey="Hey")
    assert list(greetings) == ["second", "first", "hey"]
    assert "greet_fr" not in sys.modules
    assert greetings["hey"]().greet("x") == "Salut x"
    assert greetings.origin("hey") == plugins.Origin(module="greet_fr", distribution="greet_fr-dist", version="1.2")
    assert not greetings.is_ours("hey")


def test_a_broken_plugin_is_one_sentence_and_others_go_on(greetings, package):
    package("greet_bad", "1 / 0", bad="Hey")
    package("greet_poor", "Hey = 3", poor="Hey")
    package("greet_fr", HEY, hey="Hey")
    with pytest.raises(PluginError, match=r"greeting 'bad' of greet_bad-dist cannot be imported \(ZeroDivisionError: "):
        greetings["bad"]
    with pytest.raises(PluginError, match="greeting 'poor' of greet_poor-dist has no language and no greet"):
        greetings.find("poor")
    with pytest.warns(PluginWarning, match="left out") as told:
        assert list(greetings.available()) == ["second", "first", "hey"]
    assert len(told) == 2
    assert list(greetings) == ["second", "first", "bad", "hey", "poor"]


def test_a_name_of_ours_is_not_taken_over(greetings, package):
    package("greet_fr", HEY, first="Hey", hey="Hey")
    package("greet_zz", HEY, hey="Hey")
    with pytest.warns(PluginWarning) as told:
        assert greetings["hey"].__module__ == "greet_fr"
    assert greetings["first"] is Hello
    assert {str(each.message)[:40] for each in told} == {
        "greeting 'first' of greet_fr-dist is lef",
        "greeting 'hey' of greet_zz-dist is left ",
    }


def test_a_module_is_loaded_by_name_and_by_the_environment(greetings, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_parts.py").write_text("import sys\nsys.parts_loaded = getattr(sys, 'parts_loaded', 0) + 1\n")
    plugins.load("my_parts")
    plugins.load("my_parts")
    assert sys.parts_loaded == 1
    assert plugins.loaded() == ("my_parts",)
    code = "from localnoise import plugins; print(plugins.loaded())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    assert done.stdout.strip() == "('my_parts',)"
    del sys.modules["my_parts"], sys.parts_loaded


def test_what_cannot_be_loaded_is_one_sentence(greetings, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_broken.py").write_text("import nowhere_at_all\n")
    for name, told in {
        "my_nothing": "plugin='my_nothing': no module named 'my_nothing': .*PYTHONPATH",
        "my_broken": r"plugin='my_broken' cannot be imported \(ModuleNotFoundError: No module named 'nowhere_at_all'\)",
    }.items():
        with pytest.raises(PluginError, match=told):
            plugins.load(name)
    for name in ("", "a b", "./x.py", "a..b"):
        with pytest.raises(ArgumentError, match="expected the name of a module"):
            plugins.load(name)
    assert plugins.loaded() == ()
    monkeypatch.setenv(plugins.VARIABLE, "my_broken, my_nothing")
    with pytest.warns(PluginWarning, match=f"{plugins.VARIABLE} names it") as told:
        assert "third" not in greetings
    assert len(told) == 2


def test_an_origin_of_a_file_is_what_a_message_may_show():
    said = {"module": "a.b", "distribution": "x-y", "version": "1.0+local"}
    assert str(plugins.Origin.read(said)) == "x-y 1.0+local (module a.b)"
    assert str(plugins.Origin.read({"module": "a"})) == "module a"
    for wrong in ({"module": "a b"}, {"module": "a", "version": "1; rm"}, {"module": 3}, said | {"distribution": None}):
        with pytest.raises(ValueError, match="plugin: "):
            plugins.Origin.read(wrong)
    with pytest.raises(TypeError):
        plugins.Origin.read(said | {"more": 1})


def test_a_file_put_into_the_home_is_found_without_another_line(tmp_path, monkeypatch):
    monkeypatch.setenv(plugins.VARIABLE, "")
    monkeypatch.syspath_prepend(tmp_path)
    deep = tmp_path / "home_of_greetings" / "deeper"
    deep.mkdir(parents=True)
    for folder in (deep, deep.parent):
        (folder / "__init__.py").write_text("")
    sys.home_of_greetings = registry = Registry("greeting", Greeting, group="test.none", home="home_of_greetings")
    (deep / "hey.py").write_text(f"import sys\n@sys.home_of_greetings.register('hey'){HEY}")
    assert "home_of_greetings" not in sys.modules
    assert list(registry) == ["hey"]
    assert registry.origin("hey").module == "home_of_greetings.deeper.hey"
    del sys.home_of_greetings


def test_ours_are_ours():
    assert list(RULES)[:3] == ["moments", "lms", "sign-lms"]
    assert list(ORDERS)[:2] == ["raster", "multiscale"]
    for registry in (RULES, ORDERS):
        for name in list(registry)[:2]:
            assert registry.is_ours(name)
            assert registry.origin(name).module.startswith("localnoise.")


def test_importing_is_light_and_the_rest_is_found_by_dir():
    code = """
    import sys, localnoise as ln
    heavy = {"torch", "brian2", "localnoise.hardware", "localnoise.sims", "localnoise.nn"}
    print(sorted(heavy & set(sys.modules)))
    assert ln.rules.RULES._searched is None, "entry points were looked up"
    print(sorted({"nn", "hardware", "spiking", "sims"} & set(dir(ln)) & set(ln.__all__)))
    print(ln.hardware.__name__, ln.sims.__name__)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == [
        "[]",
        "['hardware', 'nn', 'sims', 'spiking']",
        "localnoise.hardware localnoise.sims",
    ], done.stderr


def test_every_public_name_is_there():
    assert [name for name in ln.__all__ if name not in ("nn", "spiking") and not hasattr(ln, name)] == []
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ln.nothing
