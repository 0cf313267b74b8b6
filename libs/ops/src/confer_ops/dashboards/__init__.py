"""The dashboards for Grafana, as code: `python docs/generate.py` writes them to deploy/grafana/dashboards/."""
