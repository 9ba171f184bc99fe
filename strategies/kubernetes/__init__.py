"""What the strategies on Kubernetes share: a small asynchronous REST client and its watch.

Not the official client: importing that costs 165 MB and three seconds, more than an instance may
hold; what is needed here is five verbs on JSON (docs/kubernetes.md).
"""
