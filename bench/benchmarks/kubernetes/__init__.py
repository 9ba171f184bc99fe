"""What the real controllers of Kubernetes do, measured on a control plane of its own."""
