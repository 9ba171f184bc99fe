"""The platform starts a pod per fire: Kubernetes CronJob.

1. `prepare` writes one CronJob per job, its policies translated (`manifests`), after the API
   server has accepted all of them in a dry run.
2. At a due minute the CronJob controller makes a Job, named NAME-MINUTES and annotated with the
   scheduled time; the Job controller makes its pod; the scheduler gives the pod a node, which runs
   it. The nodes are the instances; they decide nothing.
3. A pod that fails is made again after 10 s, 20 s, ... as often as the job's retries say.
4. A node whose Lease has not been renewed for the grace period is marked unreachable; its pods are
   deleted after the toleration, and the Job controller makes others, after the same back-off.
5. With Forbid a fire that comes due while a Job is active waits: when the Job ends, or at the next
   due time, the latest missed one is started (with a starting deadline: only if not too late).

Clocks. Due times are the control plane's; the nodes' clocks decide nothing. The grain is a minute.
Silence of a node is measured on the controller's own monotonic clock.

On failure. Everything is in etcd: a control plane that was down starts the latest missed fire of
each job afterwards. A dead node's runs are run again elsewhere.

Not guaranteed. Neither at most once nor at least once ("a CronJob creates a Job approximately once
per execution time", Kubernetes' documentation): a node that is cut off or paused goes on running
its pod while the replacement runs, and Forbid does not see it, for it counts Jobs, not processes.
There is no fence.
After a node's loss Forbid can hold up all later fires of its jobs: the Job is not complete before
the lost pod is gone, and that takes somebody to remove the Node. A run whose node died before it
could report its success is run again. Fires missed while a Job is active are not run one by one,
whatever the misfire policy.

Source: kubernetes/pkg/controller/cronjob/cronjob_controllerv2.go, .../job/job_controller.go,
.../nodelifecycle/node_lifecycle_controller.go (v1.34).
"""
