"""The checks of the Makefile in environments of their own, on every Python that is at hand."""

import shutil

import nox

nox.options.default_venv_backend = "venv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "imports", "types", "tests"]

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]


def install(session: nox.Session, *what: str) -> None:
    shutil.rmtree("build", ignore_errors=True)  # setuptools would ship the modules that it built there before
    session.install("-c", "constraints.txt", *what)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests against the installed package, with everything that `dev` brings."""
    install(session, ".[dev]")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format."""
    install(session, "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def imports(session: nox.Session) -> None:
    """Check which way imports point in the installed package."""
    install(session, "import-linter", ".")
    config = f"--config={session.invoked_from}/pyproject.toml"
    session.chdir(session.create_tmp())  # in the checkout, localnoise/ alone would be found
    session.run("lint-imports", config, "--no-cache", "--no-logo")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the installed package."""
    install(session, "mypy", ".[sims]")
    config = f"--config-file={session.invoked_from}/pyproject.toml"
    session.chdir(session.create_tmp())  # in the checkout, localnoise/ alone would be found
    session.run("mypy", config, "-p", "localnoise")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation, strictly."""
    install(session, ".[sims,docs]")
    session.run("mkdocs", "build", "--strict", env={"NO_MKDOCS_2_WARNING": "1"})


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the source distribution, and from it the wheel, into dist/."""
    install(session, "build")
    session.run("python", "-m", "build")
