"""`presence-svc`, or `python -m presence_svc`."""

from confer_kit.process import run
from presence_svc.app import build
from presence_svc.settings import Settings


def main() -> None:
    run("presence", Settings, build)


if __name__ == "__main__":
    main()
