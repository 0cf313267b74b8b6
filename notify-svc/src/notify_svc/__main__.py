"""notify-svc as a process."""

from confer_kit.process import run
from notify_svc.app import build
from notify_svc.settings import Settings


def main() -> None:
    run("notify", Settings, build)


if __name__ == "__main__":
    main()
