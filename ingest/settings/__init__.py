"""The configuration: a frozen tree of settings, and where each of them comes from.

Nothing else in the service reads files or the environment for configuration. A relative path is
relative to the working directory, in the configuration file too.
"""

from ingest.settings.loading import Configuration, describe, load
from ingest.settings.sources import FLAGS, OTHER_VARIABLES
from ingest.settings.tree import (
    AuthSettings,
    BankSettings,
    DatabaseSettings,
    GitLabSettings,
    LogFormat,
    LogLevel,
    LogSettings,
    Secrets,
    ServerSettings,
    Settings,
    WebhookSettings,
)

__all__ = [
    "FLAGS",
    "OTHER_VARIABLES",
    "AuthSettings",
    "BankSettings",
    "Configuration",
    "DatabaseSettings",
    "GitLabSettings",
    "LogFormat",
    "LogLevel",
    "LogSettings",
    "Secrets",
    "ServerSettings",
    "Settings",
    "WebhookSettings",
    "describe",
    "load",
]
