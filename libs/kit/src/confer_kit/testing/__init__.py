"""What tests need: given/when/then for deciders, and a private NATS server."""

from confer_kit.testing.nats import NatsServer, nats_server
from confer_kit.testing.specification import Given, specification
from confer_kit.testing.system import System, running_system

__all__ = ["Given", "NatsServer", "System", "nats_server", "running_system", "specification"]
