package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const (
	failedStatus    = 1
	cancelledStatus = 143 // 128 + SIGTERM
	ledgerPatience  = time.Second
)

// job is what the manifest and the node tell a run, all in the environment.
type job struct {
	name     string  // COORDBENCH_JOB
	due      int64   // ms since the epoch, from the name of the Job (COORDBENCH_KUBERNETES_JOB)
	run      string  // NODE:POD.PID (COORDBENCH_POD): unique, also when a container is restarted
	instance string  // COORDBENCH_NODE
	seconds  float64 // COORDBENCH_RUN_S
	status   string  // what the run ends with
	history  string  // COORDBENCH_HISTORY, a file; standard output where there is none
	ledger   string  // COORDBENCH_LEDGER, a socket's path or HOST:PORT; none where empty
	offset   float64 // COORDBENCH_CLOCK_OFFSET_S, added to the monotonic clock
}

// run executes one fire. Its one write to the ledger comes immediately before its end.
func run() int {
	job, err := read()
	if err != nil {
		fail(err)
	}
	if !wanted(job.due) {
		return 0 // due outside of the trial: not a fire of it
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	job.record("run-started", map[string]any{"job": job.name, "due_ms": job.due})
	select {
	case <-stop:
		job.record("run-ended", map[string]any{"status": "cancelled"})
		return cancelledStatus
	case <-time.After(time.Duration(job.seconds * float64(time.Second))):
	}
	if job.status == "succeeded" {
		if err := job.effect(); err != nil {
			fmt.Fprintln(os.Stderr, "pod: the ledger:", err)
		}
	}
	job.record("run-ended", map[string]any{"status": job.status})
	if job.status != "succeeded" {
		return failedStatus
	}
	return 0
}

func read() (job, error) {
	found := job{
		name:     os.Getenv("COORDBENCH_JOB"),
		instance: os.Getenv("COORDBENCH_NODE"),
		history:  os.Getenv("COORDBENCH_HISTORY"),
		ledger:   os.Getenv("COORDBENCH_LEDGER"),
		seconds:  number("COORDBENCH_RUN_S", 0),
		offset:   number("COORDBENCH_CLOCK_OFFSET_S", 0),
		status:   "succeeded",
	}
	due, err := dueMs(os.Getenv("COORDBENCH_KUBERNETES_JOB"))
	if err != nil {
		return found, err
	}
	found.due = due
	found.run = fmt.Sprintf("%s:%s.%d", found.instance, os.Getenv("COORDBENCH_POD"), os.Getpid())
	if os.Getenv("COORDBENCH_FAIL") == "1" {
		found.status = "failed"
	}
	return found, nil
}

// dueMs reads the due time of a fire from the name that the CronJob controller gives its Job:
// NAME-MINUTES, minutes since the epoch. It is the same time as the Job's annotation
// batch.kubernetes.io/cronjob-scheduled-timestamp, which the controller does not hand to the pod
// (kubernetes/pkg/controller/cronjob/utils.go, getJobFromTemplate2); the bench compares the two.
func dueMs(kubernetesJob string) (int64, error) {
	minutes, err := strconv.ParseInt(kubernetesJob[strings.LastIndex(kubernetesJob, "-")+1:], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("COORDBENCH_KUBERNETES_JOB=%q: expected NAME-MINUTES", kubernetesJob)
	}
	return minutes * 60_000, nil
}

func wanted(due int64) bool {
	start, end := number("COORDBENCH_START_MS", 0), number("COORDBENCH_END_MS", 0)
	return due >= int64(start) && (end == 0 || due < int64(end))
}

func number(name string, otherwise float64) float64 {
	value, err := strconv.ParseFloat(os.Getenv(name), 64)
	if err != nil {
		return otherwise
	}
	return value
}

// record appends one line to the history in one write, as every writer of that file does.
func (job job) record(kind string, fields map[string]any) {
	fields["type"] = kind
	fields["run"] = job.run
	fields["instance"] = job.instance
	fields["t"] = monotonic() + job.offset
	line, _ := json.Marshal(fields)
	if job.history == "" {
		_, _ = os.Stdout.Write(append(line, '\n'))
		return
	}
	file, err := os.OpenFile(job.history, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		fail(err)
	}
	defer file.Close()
	if _, err := file.Write(append(line, '\n')); err != nil {
		fail(err)
	}
}

// effect tells the ledger: one JSON line there, one line back (bench/ledger.py).
func (job job) effect() error {
	if job.ledger == "" {
		return nil
	}
	network := "tcp"
	if strings.HasPrefix(job.ledger, "/") {
		network = "unix"
	}
	connection, err := net.DialTimeout(network, job.ledger, ledgerPatience)
	if err != nil {
		return err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(ledgerPatience))
	line, _ := json.Marshal(map[string]any{
		"run": job.run, "job": job.name, "due_ms": job.due, "scope": job.name,
	})
	if _, err := connection.Write(append(line, '\n')); err != nil {
		return err
	}
	_, err = bufio.NewReader(connection).ReadString('\n')
	return err
}

// monotonic is the host's monotonic clock in seconds (CLOCK_MONOTONIC), the clock of the history.
func monotonic() float64 {
	var now syscall.Timespec
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&now)), 0)
	if errno != 0 {
		fail(errno)
	}
	return float64(now.Sec) + float64(now.Nsec)/1e9
}
