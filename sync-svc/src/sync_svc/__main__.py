from confer_kit.process import run
from sync_svc.app import build
from sync_svc.settings import Settings


def main() -> None:
    run("sync", Settings, build)


if __name__ == "__main__":
    main()
