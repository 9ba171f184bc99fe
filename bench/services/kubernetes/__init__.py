"""Kubernetes without containers: the real control plane as plain processes, and its nodes."""
