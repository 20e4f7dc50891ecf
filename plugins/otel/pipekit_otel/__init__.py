"""Traces and metrics of runs, for OpenTelemetry and for Prometheus."""
