package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
)

const setParentDeathSignal = 1 // PR_SET_PDEATHSIG, prctl(2)

// launch replaces this process by the command, which the kernel kills when the parent dies. The
// signal belongs to the thread that asks for it, so asking and exec happen on one thread.
func launch(arguments []string) error {
	if len(arguments) == 0 {
		return fmt.Errorf("launch needs a command")
	}
	runtime.LockOSThread()
	parent := os.Getppid()
	_, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setParentDeathSignal,
		uintptr(syscall.SIGKILL), 0)
	if errno != 0 {
		return errno
	}
	if os.Getppid() != parent { // it died before the request
		return fmt.Errorf("the node is gone")
	}
	path, err := exec.LookPath(arguments[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, "pod:", err)
		os.Exit(127) // as a shell says "not found"
	}
	return syscall.Exec(path, arguments, os.Environ())
}

// keep waits until stdin ends, which it does when the node dies, however it died, and then kills the
// node's process group: whatever a pod's command has started too, which launch does not reach.
// It runs in a session of its own, so that what is aimed at the group does not hit it.
func keep(arguments []string) error {
	if len(arguments) != 1 {
		return fmt.Errorf("keep needs a process group")
	}
	group, err := strconv.Atoi(arguments[0])
	if err != nil || group <= 1 {
		return fmt.Errorf("keep: %q is no process group", arguments[0])
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = syscall.Kill(-group, syscall.SIGKILL)
	os.Exit(0)
	return nil
}
