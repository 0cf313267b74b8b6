"""What tests need: given/when/then for deciders, and a private NATS server."""

from confer_kit.testing.nats import NatsServer, nats_server
from confer_kit.testing.specification import Given, specification

__all__ = ["Given", "NatsServer", "nats_server", "specification"]
