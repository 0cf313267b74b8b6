"""`confer-health`: exit status 0 when the process of this container is ready, for the healthcheck of its image.

The standard library alone: it starts every few seconds.
"""

import http.client
import os
import sys

PATIENCE_S = 3.0


def complaint(port: int) -> str | None:
    """Why the process with its metrics on this port of the loopback is not ready; None: it is."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        return f"port {port} does not answer: {error or type(error).__name__}"
    finally:
        connection.close()
    return None if answer.status == http.HTTPStatus.OK else text


def main() -> None:
    port = os.environ.get("CONFER_METRICS_PORT", "")  # noqa: TID251 - the settings' classes take too long to load
    if not port.isdecimal() or port == "0":
        sys.exit("CONFER_METRICS_PORT must name the port of /metrics: readiness is asked there")
    if why := complaint(int(port)):
        sys.exit(why)
