// Command pod is what runs inside a pod, and what keeps a node's pods together. It is one small
// static file, so that a start is the platform's own latency and not an interpreter's.
//
//	pod run          the job: report run-started, work, write the effect, report run-ended
//	pod keep GROUP   start what stdin orders in the process group; kill all of it once stdin ends
package main

import (
	"fmt"
	"os"
)

func main() {
	command := ""
	if len(os.Args) > 1 {
		command = os.Args[1]
	}
	switch command {
	case "run":
		os.Exit(run())
	case "keep":
		fail(keep(os.Args[2:]))
	default:
		fail(fmt.Errorf("usage: pod run | keep GROUP"))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "pod:", err)
	os.Exit(64)
}
