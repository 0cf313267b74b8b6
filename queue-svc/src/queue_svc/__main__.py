"""`queue-svc`: the process."""

from confer_kit.process import run
from queue_svc.app import build
from queue_svc.settings import Settings


def main() -> None:
    run("queue", Settings, build)


if __name__ == "__main__":
    main()
