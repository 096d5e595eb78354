"""Schedules: pipelines that run by the clock."""
