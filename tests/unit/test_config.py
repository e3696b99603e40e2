"""Settings: where each comes from, what is refused, and with what words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.python import usage

from hokm.config import (
    BadSetting,
    Endpoint,
    Settings,
    WorkerRange,
    all_settings,
    load,
    markdown,
    opt_parameters,
)
from hokm.scaling import DEFAULTS, Rule
from hokm.wire import TableOptions


def loaded(
    *,
    options: dict[str, Any] | None = None,
    environ: dict[str, str] | None = None,
    files: dict[str, bytes] | None = None,
) -> Settings:
    """Load with four CPUs and no files but *files*."""

    def read(path: str) -> bytes:
        try:
            return (files or {})[path]
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory", path) from None

    return load(options or {}, environ or {}, read, 4)


def refusal(**sources: Any) -> str:
    """Give the one line with which loading fails."""
    with pytest.raises(BadSetting) as caught:
        loaded(**sources)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def from_toml(text: str) -> dict[str, Any]:
    """Make the sources that hold nothing but a TOML file."""
    return {"options": {"config": "h.toml"}, "files": {"h.toml": text.encode()}}


def test_defaults() -> None:
    """Without any source everything has the documented default."""
    settings = loaded()
    assert settings.listen == Endpoint(8765)
    assert settings.admin == Endpoint(8764, "127.0.0.1")
    assert settings.workers == WorkerRange(1, 4, 4)
    assert (settings.redis, settings.state_dir, settings.room_ttl_s) == (None, "var/hokm", 604_800)
    assert settings.worker.join_seconds == 5
    assert settings.worker.trusted_proxies == ("127.0.0.1", "::1")
    assert settings.table == TableOptions()


def test_precedence() -> None:
    """The command line wins over the environment, that over the file, that over the default."""
    sources = from_toml('log_level = "error"\nstop_seconds = 3\nredis = "redis://a"\n')
    sources["environ"] = {"HOKM_LOG_LEVEL": "warn", "HOKM_STOP_SECONDS": "4"}
    sources["options"]["log-level"] = "debug"
    settings = loaded(**sources)
    assert (settings.log_level, settings.stop_seconds, settings.redis) == ("debug", 4, "redis://a")


def test_sections_from_toml_and_environment() -> None:
    """Sections are read from both, and what one does not have keeps its default."""
    sources = from_toml("[worker]\nburst = 7\n[table]\ntarget = 3\n[web]\nrooms_per_minute = 2\n")
    sources["environ"] = {
        "HOKM_WORKER_MAX_SPECTATORS": "0",
        "HOKM_WORKER_ALLOWED_ORIGINS": "https://a.example, https://b.example",
        "HOKM_TABLE_TURN_SECONDS": "12.5",
    }
    settings = loaded(**sources)
    assert (settings.worker.burst, settings.worker.max_spectators) == (7, 0)
    assert settings.worker.allowed_origins == ("https://a.example", "https://b.example")
    assert settings.web.rooms_per_minute == 2
    assert settings.table == TableOptions(target=3, turn_seconds=12.5)


def test_empty_and_unknown_variables_are_passed_over() -> None:
    """Container platforms set empty variables and invent ones for services called hokm."""
    environ = {"HOKM_REDIS": "", "HOKM_SERVICE_HOST": "10.0.0.1", "HOKM_PORT": "tcp://x"}
    assert loaded(environ=environ) == loaded()


def test_config_file_may_be_named_by_the_environment() -> None:
    """HOKM_CONFIG stands for --config."""
    settings = loaded(environ={"HOKM_CONFIG": "c"}, files={"c": b'state_dir = "/srv/x"'})
    assert settings.state_dir == "/srv/x"


def test_state_directory_of_systemd() -> None:
    """systemd's first directory comes before the default and after the file."""
    environ = {"STATE_DIRECTORY": "/var/lib/hokm:/var/lib/other"}
    assert loaded(environ=environ).state_dir == "/var/lib/hokm"
    sources = from_toml('state_dir = "here"')
    assert loaded(**sources, environ=environ).state_dir == "here"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tcp:0", Endpoint(0)),
        ("tcp:8765", Endpoint(8765)),
        ("tcp:1:interface=10.0.0.1", Endpoint(1, "10.0.0.1")),
        ("tcp:1:interface=::1", Endpoint(1, "::1")),
        ("tcp:1:interface=[::]", Endpoint(1, "::")),
        ("tcp:1:interface=\\:\\:1", Endpoint(1, "::1")),
    ],
)
def test_endpoints(text: str, expected: Endpoint) -> None:
    """Ports and numeric addresses of both families are read."""
    assert Endpoint.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("8765", "must be tcp:PORT"),
        ("ssl:443", "must be tcp:PORT"),
        ("tcp:-1", "must be tcp:PORT"),
        ("tcp:65536", "0 to 65535"),
        ("tcp:1:backlog=5", "interface=ADDRESS"),
        ("tcp:1:interface=localhost", "numeric address"),
        ("tcp:1:interface=", "numeric address"),
    ],
)
def test_bad_endpoints(text: str, said: str) -> None:
    """What is wrong with an address is said, with its setting and source."""
    line = refusal(options={"listen": text})
    assert said in line
    assert line.startswith("listen ")
    assert line.endswith("(option --listen)")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("auto", (1, 4, 4)), ("3", (3, 3, 3)), ("2-8", (2, 8, 2)), ("1-1", (1, 1, 1))],
)
def test_workers(text: str, expected: tuple[int, int, int]) -> None:
    """`auto` is up to one per CPU and begins with all; a number is both; a range begins low."""
    assert loaded(options={"workers": text}).workers == WorkerRange(*expected)


def test_workers_as_a_number_in_toml() -> None:
    """TOML's own numbers will do."""
    assert loaded(**from_toml("workers = 3")).workers == WorkerRange(3, 3, 3)


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ("min_workers = 2", (2, 4, 4)),
        ("max_workers = 3", (1, 3, 3)),
        ("max_workers = 9", (1, 9, 4)),
        ("min_workers = 6\nmax_workers = 8", (6, 8, 6)),
    ],
)
def test_bounds_of_the_scaling(bounds: str, expected: tuple[int, int, int]) -> None:
    """They come before those of `workers`, which says how many there are at first."""
    assert loaded(**from_toml(f"[scaling]\n{bounds}")).workers == WorkerRange(*expected)


@pytest.mark.parametrize("text", ["0", "-1", "8-2", "2-", "many", "1-257", "1.5"])
def test_bad_workers(text: str) -> None:
    """Numbers that make no sense are refused."""
    assert refusal(environ={"HOKM_WORKERS": text}).endswith("(environment variable HOKM_WORKERS)")


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        (
            "instance_id = 'one two'",
            "instance_id must be 1 to 64 letters, digits, dots, dashes and underscores"
            " (h.toml, key instance_id)",
        ),
        (
            "advertise = '10.0.0.1'",
            "advertise must be HOST:PORT, an IPv6 address in brackets (h.toml, key advertise)",
        ),
        (
            "advertise = '10.0.0.1:99999'",
            "advertise must be HOST:PORT, an IPv6 address in brackets (h.toml, key advertise)",
        ),
        (
            "[worker]\nburst = 0",
            "worker.burst must be a whole number, at least 1 (h.toml, key worker.burst)",
        ),
        (
            '[worker]\nburst = "7x"',
            "worker.burst must be a whole number, at least 1 (h.toml, key worker.burst)",
        ),
        (
            "stop_seconds = nan",
            "stop_seconds must be a number, above 0, at most 3600 (h.toml, key stop_seconds)",
        ),
        (
            'descriptor_store = "often"',
            "descriptor_store must be true or false (h.toml, key descriptor_store)",
        ),
        (
            'log_format = "xml"',
            "log_format must be json or text (h.toml, key log_format)",
        ),
        (
            "[worker]\nbrust = 1",
            "worker.brust is no setting; the nearest is worker.burst (h.toml, key worker.brust)",
        ),
        ("lisen = 1", "lisen is no setting; the nearest is listen (h.toml, key lisen)"),
        ("worker = 1", "worker must be a section, [worker] (h.toml, key worker)"),
        (
            "[worker]\ntrusted_proxies = ['10.0.0.1/8']",
            "worker.trusted_proxies 10.0.0.1/8 has host bits set (h.toml, key "
            "worker.trusted_proxies)",
        ),
    ],
)
def test_bad_values(toml: str, line: str) -> None:
    """The line names the setting, its source and what is allowed."""
    assert refusal(**from_toml(toml)) == line


def test_values_that_do_not_fit_together() -> None:
    """The table's own rule between two options is kept."""
    assert "[table]" in refusal(**from_toml("[table]\nkot = 9\nhakem_kot = 3"))


def test_what_the_store_cannot_do() -> None:
    """No replica of hokm's own store is asked for, and no writing to the disk of another's."""
    shared = 'redis = "redis://cache"\n'
    assert loaded(**from_toml(shared + 'durability = "replicated"')).replicas == 1
    assert "needs redis" in refusal(**from_toml('durability = "replicated"'))
    assert loaded(**from_toml('fsync = "always"')).fsync == "always"
    assert "appendfsync" in refusal(**from_toml(shared + 'fsync = "always"'))


def test_unreadable_files() -> None:
    """A missing file, one that is no TOML and one that is no text are told apart."""
    assert refusal(options={"config": "x"}) == "config: cannot read x: No such file or directory"
    assert refusal(**from_toml("= 1")).startswith("config: h.toml is no TOML: ")
    bad = {"options": {"config": "x"}, "files": {"x": b"\xff"}}
    assert refusal(**bad) == "config: cannot read x: it is no UTF-8 text"


def test_admin_token() -> None:
    """The token comes from the environment or a file, never shorter than 16 characters."""
    token = "t" * 16
    environ = {"HOKM_ADMIN_TOKEN": token, "HOKM_ADMIN_TOKEN_FILE": "absent"}
    assert loaded(environ=environ).admin_token == token
    by_file: dict[str, Any] = {"options": {"admin-token-file": "f"}}
    assert loaded(**by_file, files={"f": f"{token}\n".encode()}).admin_token == token
    assert refusal(**by_file) == "admin_token_file: cannot read f: No such file or directory"
    short = refusal(**by_file, files={"f": b"hush"})
    assert "16" in short
    assert "hush" not in short


def test_scaling_has_its_bounds_from_the_workers() -> None:
    """Where it does not set its own; `workers` follows those."""
    settings = loaded(options={"workers": "2-6"})
    assert (settings.scaling.min_workers, settings.scaling.max_workers) == (2, 6)
    assert settings.scaling.rule == DEFAULTS
    sources = from_toml("[scaling]\nmin_workers = 1\ninterval_s = 2.5\n")
    settings = loaded(**sources, environ={"HOKM_SCALING_MAX_WORKERS": "9"})
    assert (settings.scaling.min_workers, settings.scaling.max_workers) == (1, 9)
    assert (settings.workers, settings.scaling.interval_s) == (WorkerRange(1, 9, 4), 2.5)


def test_scaling_rules() -> None:
    """Tables of the file over the default rules."""
    settings = loaded(
        **from_toml(
            '[[scaling.rule]]\nname = "high_cpu_usage"\nabove = 60\n'
            '[[scaling.rule]]\nname = "mine"\nmetric = "host_cpu"\nabove = 99\nduration_s = 5\n'
        )
    )
    assert settings.scaling.rule[0].above == 60
    assert settings.scaling.rule[-1] == Rule(
        name="mine", metric="host_cpu", above=99, duration_s=5, cooldown_s=120
    )


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        (
            '[[scaling.rule]]\nname = "low_cpu_usage"\nbelow = 80',
            "scaling.rule low_cpu_usage: below 80 is not under above 70 of high_cpu_usage: "
            "workers would come and go (h.toml)",
        ),
        (
            "[scaling.rule]\nname = 1",
            "scaling.rule must be written as [[scaling.rule]] (h.toml)",
        ),
        (
            "workers = 3\n[scaling]\nmax_workers = 2",
            "scaling.min_workers 3 is above max_workers 2 (h.toml)",
        ),
        (
            "[scaling]\ntolerance = 0.5",
            "scaling.tolerance must be a number, at least 0, at most 0.4 (h.toml, key "
            "scaling.tolerance)",
        ),
        (
            "[scaling]\nrules = 1",
            "scaling.rules is no setting; the nearest is scaling.rule (h.toml, key scaling.rules)",
        ),
    ],
)
def test_bad_scaling(toml: str, line: str) -> None:
    """The line names rule and field, or the setting, and the file."""
    assert refusal(**from_toml(toml)) == line


def test_option_parser() -> None:
    """twistd's parser takes every option, leaves the rest unset, and has no option for a token."""

    class Options(usage.Options):
        optParameters = opt_parameters()

    options = Options()
    options.parseOptions(["--workers", "2-3", "--state-dir=/x"])
    settings = loaded(options=dict(options), environ={"HOKM_REDIS": "redis://r"})
    assert (settings.workers, settings.state_dir) == (WorkerRange(2, 3, 2), "/x")
    assert settings.redis == "redis://r"
    assert "admin-token" not in options
    assert "tcp:8765" in str(options)


@pytest.mark.parametrize("given", [{"tls_certificate": "/c"}, {"tls_key": "/k"}])
def test_tls_needs_both_files(given: dict[str, str]) -> None:
    """A certificate is of no use without its key, nor the other way round."""
    assert (
        refusal(**from_toml("\n".join(f"{name} = '{value}'" for name, value in given.items())))
        == "tls_certificate and tls_key must be given together"
    )


def test_every_setting_is_described() -> None:
    """Each has a help text, a variable of its own and a line in the table."""
    settings = list(all_settings())
    assert all(setting.help for setting in settings), [s.key for s in settings if not s.help]
    assert len({setting.variable for setting in settings}) == len(settings)
    assert markdown().count("\n") == len(settings) + 2


def test_a_switch_is_described_as_it_is_written() -> None:
    """As TOML and the environment have it, not as Python does."""
    [switch] = [s for s in all_settings() if s.key == "descriptor_store"]
    assert (switch.default, switch.allowed) == ("false", "true or false")


def test_example_file_shows_the_defaults() -> None:
    """etc/hokm.toml names every setting but the secret one, each with its default."""
    text = (Path(__file__).parents[2] / "etc" / "hokm.toml").read_text()
    shown = "\n".join(row.removeprefix("#") for row in text.splitlines() if row[:2] != "# ")
    assert loaded(**from_toml(shown)) == loaded()
    for setting in all_settings():
        name = setting.key.rpartition(".")[2]
        if name not in {"redis", "public_url", "admin_token", "admin_token_file"}:
            of_its_own = setting.default != ""  # the bounds of scaling have theirs from `workers`
            assert f"\n{'#' if of_its_own else '# '}{name} = " in text, name
    for rule in DEFAULTS:
        assert f'\n#name = "{rule.name}"\n' in text
