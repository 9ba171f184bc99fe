package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	setChildSubreaper = 36 // PR_SET_CHILD_SUBREAPER, prctl(2)
	longestLine       = 1 << 20
	notFound          = 127 // as a shell says it
	patience          = 10 * time.Second
)

// order is one line from the node: start a command under an ID of the node's choice, or send a
// signal to what was started so. SIGKILL goes to all that it has started itself, too.
type order struct {
	ID          int      `json:"id"`
	Command     []string `json:"command"`
	Environment []string `json:"environment"`
	Signal      int      `json:"signal"`
}

// answer is one line to the node: it runs as Pid, or has ended with Code, or could not be started.
type answer struct {
	ID    int    `json:"id"`
	Pid   int    `json:"pid,omitempty"`
	Code  *int   `json:"code,omitempty"`
	Error string `json:"error,omitempty"`
}

// keeper is the parent of all processes of a node's pods.
type keeper struct {
	group   int // what strikes the node's process group strikes them
	mutex   sync.Mutex
	started map[int]int // ID by pid, until it is reaped
	pids    map[int]int // the other way round
}

// keep does what the node orders on stdin until that ends, which it does when the node dies,
// however it died; then it kills every process of the node's pods.
//
// Nothing can run away from it: as a subreaper it becomes the parent of whatever loses its own, so
// that a process in a session of its own, whose parents have ended, still descends from it. It is in
// a process group of its own, so that what is aimed at the node's group does not hit it.
func keep(arguments []string) error {
	if len(arguments) != 1 {
		return errors.New("keep needs a process group")
	}
	group, err := strconv.Atoi(arguments[0])
	if err != nil || group <= 1 {
		return fmt.Errorf("keep: %q is no process group", arguments[0])
	}
	runtime.LockOSThread() // the parent that PR_SET_PDEATHSIG speaks of is this thread
	_, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, setChildSubreaper, 1, 0)
	if errno != 0 {
		return errno
	}
	keeper := keeper{group: group, started: map[int]int{}, pids: map[int]int{}}
	deaths := make(chan os.Signal, 1)
	signal.Notify(deaths, syscall.SIGCHLD)
	go keeper.reap(deaths)
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // a node that is gone hears nothing
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		var order order
		if err := json.Unmarshal(lines.Bytes(), &order); err != nil {
			fmt.Fprintln(os.Stderr, "pod: keep:", err)
			break
		}
		keeper.obey(order)
	}
	endAll()
	os.Exit(0)
	return nil
}

func (keeper *keeper) obey(order order) {
	if len(order.Command) > 0 {
		keeper.start(order)
		return
	}
	keeper.mutex.Lock() // until it is reaped its pid is nobody else's
	defer keeper.mutex.Unlock()
	pid, runs := keeper.pids[order.ID]
	switch {
	case !runs:
	case order.Signal == int(syscall.SIGKILL):
		strike(pid, true)
	default:
		_ = syscall.Kill(pid, syscall.Signal(order.Signal))
	}
}

func (keeper *keeper) start(order order) {
	path, err := exec.LookPath(order.Command[0])
	if err != nil {
		fmt.Fprintln(os.Stderr, "pod:", err)
		code := notFound
		keeper.tell(answer{ID: order.ID, Code: &code})
		return
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		keeper.tell(answer{ID: order.ID, Error: err.Error()})
		return
	}
	defer null.Close()
	keeper.mutex.Lock() // its end is told after its start
	defer keeper.mutex.Unlock()
	pid, err := syscall.ForkExec(path, order.Command, &syscall.ProcAttr{
		Env:   order.Environment,
		Files: []uintptr{null.Fd(), 2, 2},
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pgid: keeper.group, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		keeper.tell(answer{ID: order.ID, Error: err.Error()})
		return
	}
	keeper.started[pid], keeper.pids[order.ID] = order.ID, pid
	keeper.tell(answer{ID: order.ID, Pid: pid})
}

// reap collects every child that has ended, adopted ones too, and tells of those it has started.
func (keeper *keeper) reap(deaths <-chan os.Signal) {
	for range deaths {
		for {
			var status syscall.WaitStatus
			pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
			if errors.Is(err, syscall.EINTR) {
				continue
			}
			if err != nil || pid <= 0 {
				break
			}
			keeper.ended(pid, status)
		}
	}
}

func (keeper *keeper) ended(pid int, status syscall.WaitStatus) {
	keeper.mutex.Lock()
	defer keeper.mutex.Unlock()
	id, ours := keeper.started[pid]
	if !ours {
		return
	}
	delete(keeper.started, pid)
	delete(keeper.pids, id)
	code := status.ExitStatus()
	if status.Signaled() {
		code = 128 + int(status.Signal())
	}
	keeper.tell(answer{ID: id, Code: &code})
}

func (keeper *keeper) tell(answer answer) {
	line, _ := json.Marshal(answer)
	_, _ = os.Stdout.Write(append(line, '\n'))
}

// endAll kills every descendant, and those that one of them still made meanwhile.
func endAll() {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if strike(os.Getpid(), false) == 0 {
			return
		}
	}
}

// strike kills the descendants of a process, and with `itself` the process too; how many. All are
// stopped first, until a look finds no more, so that nothing is started behind its back.
func strike(pid int, itself bool) int {
	stopped := map[int]bool{}
	for grown := true; grown; {
		grown = false
		found := descendants(pid)
		if itself {
			found = append(found, pid)
		}
		for _, one := range found {
			if !stopped[one] {
				stopped[one], grown = true, true
				_ = syscall.Kill(one, syscall.SIGSTOP)
			}
		}
	}
	for one := range stopped {
		_ = syscall.Kill(one, syscall.SIGKILL)
	}
	return len(stopped)
}

// descendants are the living processes that come from one, by /proc.
func descendants(pid int) []int {
	children := map[int][]int{}
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		if child, err := strconv.Atoi(entry.Name()); err == nil {
			if parent, alive := parent(child); alive {
				children[parent] = append(children[parent], child)
			}
		}
	}
	found := append([]int{}, children[pid]...)
	for next := 0; next < len(found); next++ {
		found = append(found, children[found[next]]...)
	}
	return found
}

// parent reads /proc/PID/stat: "PID (NAME) STATE PARENT ...", where NAME may hold anything.
func parent(pid int) (int, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 2 || fields[0] == "Z" || fields[0] == "X" {
		return 0, false
	}
	found, err := strconv.Atoi(fields[1])
	return found, err == nil
}
