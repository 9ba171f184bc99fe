"""The harness: services, fleet, scenarios, history, checks, statistics, matrix, report, CLI."""
