"""Every setting of the program: name, default, unit, limits, help, and where it is read from.

A setting is a field of a struct in `settings`; its command-line option, environment variable,
help text, check and line in docs/operations/settings.md all come from that field. Sources, the
first that has the setting wins: command line, environment, TOML file (`--config`), default.
`load` is pure: it is handed the options, the environment, a way to read files and the number of
CPUs. Nothing else in the program reads the environment for a setting.
"""

from hokm.config.catalogue import Setting, all_settings, markdown, opt_parameters
from hokm.config.settings import (
    BadSetting,
    Endpoint,
    Settings,
    WebSettings,
    WorkerRange,
    WorkerSettings,
)
from hokm.config.sources import load
from hokm.scaling import MAX_WORKERS

__all__ = [
    "MAX_WORKERS",
    "BadSetting",
    "Endpoint",
    "Setting",
    "Settings",
    "WebSettings",
    "WorkerRange",
    "WorkerSettings",
    "all_settings",
    "load",
    "markdown",
    "opt_parameters",
]
