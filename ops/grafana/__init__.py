"""Grafana dashboards as code: `boards` says what they show, `render` writes Grafana's JSON."""
