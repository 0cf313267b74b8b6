"""Every dashboard."""

import json
from typing import Final

from confer_ops.dashboards import action, edge, nats, overview, service
from confer_ops.dashboards.model import Dashboard

DASHBOARDS: Final = (
    overview.DASHBOARD, edge.DASHBOARD, service.DASHBOARD, nats.DASHBOARD, action.DASHBOARD,
)  # fmt: skip


def text(dashboard: Dashboard) -> str:
    """Its file."""
    return json.dumps(dashboard.json(), indent=1) + "\n"
