//go:build linux

// Package rig is what the programs that measure whole processes share: children that are pinned to CPUs and die with
// their parent, one clock for all of them, their CPU time and memory, a paced HTTP server, and a mock provider made of
// it. It measures nothing by itself. A Server's goroutines end with its process.
package rig

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a child in its own process group, which dies with its parent whatever happens to that: it is killed by its
// id when the parent ends or is interrupted, and by the kernel when the parent is killed itself.
type Process struct {
	In   io.WriteCloser // its stdin
	name string
	cmd  *exec.Cmd
	pipe *os.File // that out reads from
	out  *bufio.Reader
	logs string        // file with what it wrote to stderr
	done chan struct{} // closed by the waiting goroutine when the process has ended
}

// Spec says how a child is started.
type Spec struct {
	Dir  string   // for its log
	Name string   // of the log
	CPUs []int    // to pin it to; empty for none
	Env  []string // in addition to this process's
	Args []string // program and arguments
}

// Start runs a child. Parent-death signals follow the thread that made the child, so all children must be started by a
// goroutine that stays locked to its thread: main calls runtime.LockOSThread first.
func Start(s Spec) (*Process, error) {
	args := s.Args
	if len(s.CPUs) > 0 {
		args = append([]string{"taskset", "-c", JoinCPUs(s.CPUs)}, args...)
	}
	p := &Process{name: s.Name, cmd: exec.Command(args[0], args[1:]...), logs: filepath.Join(s.Dir, s.Name+".log"), done: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	p.cmd.Env = append(os.Environ(), s.Env...)
	stderr, err := os.Create(p.logs)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	defer stderr.Close()
	p.cmd.Stderr = stderr
	if p.In, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	r, w, err := os.Pipe() // not StdoutPipe, which Wait would close under a reader
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	defer w.Close()
	p.cmd.Stdout = w
	p.pipe, p.out = r, bufio.NewReader(r)
	if err := p.cmd.Start(); err != nil {
		r.Close()
		return nil, fmt.Errorf("start %s: %w", s.Name, err)
	}
	go func() { // ends with the process, for which Stop waits
		_ = p.cmd.Wait() // its status is asked for by Code
		close(p.done)
	}()
	return p, nil
}

// PID returns the process id. taskset replaces itself by the command, so that it is the command's own.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Code returns the exit code of a process that has ended; -1 if a signal ended it.
func (p *Process) Code() int {
	<-p.done
	return p.cmd.ProcessState.ExitCode()
}

// Signal sends a signal to the process alone. One that has ended is not an error.
func (p *Process) Signal(s syscall.Signal) error {
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", p.name, err)
	}
	return nil
}

// Stop ends the process and its group: by the end of its stdin, by a signal, at last by force. It is to be called for each
// process, ended ones too.
func (p *Process) Stop() {
	defer p.pipe.Close()
	p.In.Close()
	for _, step := range []struct {
		sig  syscall.Signal
		wait time.Duration
	}{{syscall.SIGTERM, 3 * time.Second}, {syscall.SIGKILL, 10 * time.Second}} {
		_ = syscall.Kill(-p.PID(), step.sig) // fails only if the group has gone
		select {
		case <-p.done:
			return
		case <-time.After(step.wait):
		}
	}
}

// ReadLine returns the next line of the process's output.
func (p *Process) ReadLine(ctx context.Context, limit time.Duration) (string, error) {
	type answer struct {
		line string
		err  error
	}
	got := make(chan answer, 1)
	go func() { // ends when the process does, at the latest
		line, err := p.out.ReadString('\n')
		got <- answer{line, err}
	}()
	select {
	case a := <-got:
		if a.err != nil {
			return "", p.Failure(a.err)
		}
		return strings.TrimSpace(a.line), nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case <-time.After(limit):
		return "", p.Failure(fmt.Errorf("no answer in %v", limit))
	}
}

// ReadAll returns what the process writes until it ends. An exit code other than 0 is an error.
func (p *Process) ReadAll(ctx context.Context, limit time.Duration) ([]byte, error) {
	type answer struct {
		text []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() { // ends when the process does, at the latest
		b, err := io.ReadAll(p.out)
		got <- answer{b, err}
	}()
	var a answer
	select {
	case a = <-got:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-time.After(limit):
		return nil, p.Failure(fmt.Errorf("not done after %v", limit))
	}
	if a.err == nil && p.Code() != 0 {
		a.err = fmt.Errorf("exit code %d", p.Code())
	}
	if a.err != nil {
		return a.text, p.Failure(a.err)
	}
	return a.text, nil
}

// Failure adds the end of the process's log to an error.
func (p *Process) Failure(err error) error {
	b, rerr := os.ReadFile(p.logs)
	if rerr != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return fmt.Errorf("%s: %w; its log ends: %s", p.name, err, bytes.TrimSpace(b[max(0, len(b)-600):]))
}

// CanPin reports whether children can be pinned to CPUs, and there are two to keep apart.
func CanPin() bool {
	_, err := exec.LookPath("taskset")
	return err == nil && runtime.NumCPU() > 1
}

// ParseCPUs reads a list like "0,2-3".
func ParseCPUs(s string) ([]int, error) {
	var cpus []int
	for part := range strings.SplitSeq(s, ",") {
		lo, hi, ranged := strings.Cut(part, "-")
		if !ranged {
			hi = lo
		}
		from, err1 := strconv.Atoi(lo)
		to, err2 := strconv.Atoi(hi)
		if err1 != nil || err2 != nil || from < 0 || to < from || to > 4095 {
			return nil, fmt.Errorf("CPU list %q: want numbers and ranges like 0,2-3", s)
		}
		for c := from; c <= to; c++ {
			cpus = append(cpus, c)
		}
	}
	return cpus, nil
}

// JoinCPUs writes a list that ParseCPUs reads.
func JoinCPUs(cpus []int) string {
	s := make([]string, len(cpus))
	for i, c := range cpus {
		s[i] = strconv.Itoa(c)
	}
	return strings.Join(s, ",")
}
