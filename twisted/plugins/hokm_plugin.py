"""The `hokm` command of twistd: `twistd hokm --help`."""

from twisted.application.service import ServiceMaker

hokm = ServiceMaker("hokm", "hokm.tap", "A Hokm card-game server.", "hokm")
