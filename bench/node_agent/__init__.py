"""A small stand-in for a kubelet: one process is one node of the embedded control plane.

    python -m bench.node_agent CONFIG.json        (the same file as any other instance reads)

1. It registers a Node and renews its Lease in `kube-node-lease`.
2. It follows the pods bound to it and runs each pod's command as a local process.
3. It reports what becomes of them: running, succeeded, failed, restarted by `restartPolicy`,
   ended by `activeDeadlineSeconds`; a deleted pod is stopped within its grace and then removed.
4. Cut off from the API server it goes on running what it has, as a kubelet does, and reports when
   it can again.
5. Killed, it takes every process of its pods with it, as a machine does that loses its power.
6. On SIGTERM it stops its pods, says that they failed, and takes itself off the list of nodes.

Not covered: images and containers, volumes, probes, networking, more than one container a pod.
"""
