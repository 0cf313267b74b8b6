from confer_kit.process import run
from tally_svc.app import build
from tally_svc.settings import Settings


def main() -> None:
    run("tally", Settings, build)


if __name__ == "__main__":
    main()
