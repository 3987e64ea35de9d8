"""README, docs and .env.example say what is so: commands, links, files, variables."""

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import MISSING
from functools import cache
from pathlib import Path

import click
import pytest

from kairos.cli import main
from reverse_etl import destinations
from warehouse.home import PROJECT

README = PROJECT / "README.md"
PAGES = [
    README,
    PROJECT / "CONTRIBUTING.md",
    PROJECT / "CHANGELOG.md",
    *sorted((PROJECT / "docs").glob("*.md")),
]
MANUAL = [page for page in PAGES if page.name != "CHANGELOG.md"]
PACKAGES = ("kairos", "orchestration", "reverse_etl", "warehouse")

FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
LINK = re.compile(r"\]\(([^)\s]+)\)")
VARIABLE = re.compile(r"KAIROS_[A-Z0-9_]*[A-Z0-9]")
EXAMPLES = re.compile(r"acme|my_tip|[<*]|\bT\b|NAME|FILE|SOMEBODY")
"""What stands for a thing of the reader's, or for several."""


def label(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def text(page: Path) -> str:
    return page.read_text()


def prose(page: Path) -> str:
    return FENCED.sub("", text(page))


def inline(page: Path) -> list[str]:
    return [" ".join(span.split()) for span in INLINE.findall(prose(page))]


def calls(line: str) -> Iterator[list[str]]:
    """The programs of a line of shell, each with its arguments, without variables before it."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return
    call: list[str] = []
    for word in [*words, ";"]:
        if word in ("|", "&&", ";", "||"):
            if call:
                yield call
            call = []
        elif call or not re.match(r"[A-Z_]+=", word):
            call.append(word)


def fenced_calls(page: Path) -> Iterator[list[str]]:
    for _, block in FENCED.findall(text(page)):
        for line in block.replace("\\\n", " ").splitlines():
            yield from calls(line)


def of_program(name: str, found: Iterator[list[str]]) -> list[list[str]]:
    return [call[1:] for call in found if call[0] == name or call[0].endswith(f"/{name}")]


def leaves(group: click.Group, name: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for each in group.list_commands(context):
        command = group.get_command(context, each)
        if isinstance(command, click.Group):
            yield from leaves(command, (*name, each))
        else:
            yield (*name, each)


def resolve(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words name, and the rest of them."""
    command: click.Command = main
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"there is no command {words[0]!r}"
        command, words = found, words[1:]
    return command, words


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", list(leaves(main)), ids=" ".join)
def test_every_command_is_in_the_manual(name: tuple[str, ...]) -> None:
    command = f"kairos {' '.join(name)}"
    said = re.compile(rf"\b{command}\b")
    assert any(said.search(text(page)) for page in MANUAL), f"no page says what `{command}` is for"


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_every_printed_command_can_be_called(page: Path) -> None:
    for words in of_program("kairos", fenced_calls(page)):
        command, rest = resolve(words)
        context = command.make_context("kairos", list(rest))
        for parameter in ("destination", "names"):
            named = context.params.get(parameter) or ()
            for name in [named] if isinstance(named, str) else named:
                assert name in destinations.names()
        for setting in context.params.get("settings", ()):
            assert (PROJECT / "seeds" / f"{setting.split('=')[0]}.csv").exists(), setting


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_every_mentioned_command_has_the_options_that_are_mentioned(page: Path) -> None:
    for span in inline(page):
        for words in of_program("kairos", calls(span)):
            command, rest = resolve(words)
            known = {option for each in command.params for option in each.opts}
            unknown = {word for word in rest if word.startswith("-")} - known - {"--help"}
            assert not unknown, f"`{span}`"
            if rest and "--help" not in rest and not EXAMPLES.search(span):
                command.make_context("kairos", list(rest))
            elif rest:
                parser = command.make_parser(click.Context(command))
                assert not parser.parse_args(list(rest))[1], f"too many arguments: `{span}`"


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_every_target_of_make_exists(page: Path) -> None:
    for found in (fenced_calls(page), (call for span in inline(page) for call in calls(span))):
        for words in of_program("make", found):
            assert {word for word in words if "=" not in word} <= targets(), words


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_every_module_and_test_that_is_called_exists(page: Path) -> None:
    for words in of_program("python", fenced_calls(page)):
        name = words[words.index("-m") + 1]
        if name != "pytest":
            module = PROJECT / name.replace(".", "/")
            assert module.with_suffix(".py").exists() or module.is_dir(), name
        for word in words:
            if word.startswith("tests/"):
                assert (PROJECT / word).exists(), word


@pytest.mark.parametrize("page", [*PAGES, PROJECT / "benchmarks" / "README.md"], ids=label)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(prose(page)):
        if "://" not in target:
            assert (page.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_every_file_and_folder_that_is_mentioned_exists(page: Path) -> None:
    tops = {path.name for path in PROJECT.iterdir()}
    for span in inline(page):
        if EXAMPLES.search(span) or " " in span:
            continue
        top, slash, _ = span.partition("/")
        if slash and top in tops:
            assert (PROJECT / span).exists(), span
        elif re.fullmatch(r"\w+\.csv", span):
            assert (PROJECT / "seeds" / span).exists(), span
        elif re.fullmatch(r"\w+\.(sql|py)", span):
            assert any(PROJECT.glob(f"*/**/{span}")), span


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_every_table_that_is_mentioned_exists(page: Path) -> None:
    models = {path.stem for path in (PROJECT / "models").rglob("*.sql")} | {"line_marks"}
    landed = (PROJECT / "warehouse" / "raw.sql").read_text()
    for schema, name in re.findall(r"\b(kairos|raw)\.([a-z_]+)\b(?![(.])", text(page)):
        if schema == "raw":
            assert f"raw.{name} " in landed, name
        elif name not in ("moment", "audience", "profile"):  # topics
            assert name in models, name


def test_every_seed_is_in_the_readme() -> None:
    seeds = {path.name for path in (PROJECT / "seeds").glob("*.csv")}
    assert seeds <= set(inline(README))


def example() -> dict[str, str]:
    """The variables of .env.example, with the values that stand there."""
    lines = (PROJECT / ".env.example").read_text().splitlines()
    assert not [line for line in lines if line and not line.startswith("#")], "all is commented"
    return dict(re.findall(r"^# (KAIROS_[A-Z0-9_]+)=(.*)$", "\n".join(lines), re.MULTILINE))


def literals(path: Path) -> Iterator[str]:
    """Every text in a module that is the name of a variable of ours."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and VARIABLE.fullmatch(str(node.value)):
            yield str(node.value)


def read_by_tests(path: Path) -> Iterator[str]:
    """What a test reads itself; other names in it are made up, or given to what it tests."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "os.environ.get":
            yield from (str(each.value) for each in node.args if isinstance(each, ast.Constant))


@cache
def settings() -> Mapping[str, tuple[bool, bool]]:
    """Each variable of a destination: whether it must be set, and whether it is a secret."""
    return {
        f"KAIROS_{name}_{each.name}".upper(): (
            each.default is MISSING and each.default_factory is MISSING,
            bool(each.metadata.get("secret")),
        )
        for name in destinations.names()
        for each in destinations.find(name).settings()
    }


def variables_read() -> set[str]:
    modules = [path for package in PACKAGES for path in (PROJECT / package).rglob("*.py")]
    found = {name for path in modules for name in literals(path)}
    found |= {name for path in (PROJECT / "tests").rglob("*.py") for name in read_by_tests(path)}
    found |= set(re.findall(r"env_var\('(\w+)'", (PROJECT / "profiles.yml").read_text()))
    return {name for name in found if VARIABLE.fullmatch(name)} | set(settings())


def test_the_example_of_settings_has_every_variable_and_no_other() -> None:
    assert set(example()) == variables_read()


def test_the_example_of_settings_holds_no_secret() -> None:
    values = example()
    assert not [name for name, (_, is_secret) in settings().items() if is_secret and values[name]]


@pytest.mark.parametrize("page", PAGES, ids=label)
def test_every_variable_that_is_mentioned_is_one(page: Path) -> None:
    known = set(example())
    for name in set(VARIABLE.findall(text(page))):
        is_example = name.startswith("KAIROS_ACME")
        assert is_example or name.removesuffix("_FILE") in known, name


def tracked() -> list[Path]:
    """Every file of the repository; of what lies there where git is missing."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("git cannot say which files are the repository's")
    return [path for name in listed.split("\0") if name and (path := PROJECT / name).is_file()]


# written in parts, so that this file does not name them
REGISTRIES = tuple(
    "".join(parts)
    for parts in (
        ("py", "pi.org"),
        ("python", "hosted.org"),
        ("npm", "js.org"),
        ("npm", "js.com"),
        ("ana", "conda.org"),
        ("get", "dbt.com/api"),
    )
)
HOMES = re.compile(r"(?<![\w.])/(?:home|Users|root|work" + r")/[\w.-]+/|[A-Z]:\\+Users\\")


def test_no_file_names_a_registry_or_the_machine_of_whoever_wrote_it() -> None:
    found = []
    for path in tracked():
        content = path.read_bytes().decode(errors="replace")
        found += [f"{label(path)}: {host}" for host in REGISTRIES if host in content]
        found += [f"{label(path)}: {match}" for match in HOMES.findall(content)]
    assert not found
