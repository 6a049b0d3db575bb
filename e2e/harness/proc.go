package harness

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Proc is a process of the binary under test.
type Proc struct {
	cmd   *exec.Cmd
	done  chan struct{} // closed when the process has ended and its output was read
	err   error         // how it ended; valid after done
	start time.Time

	mu  sync.Mutex // guards what follows
	out bytes.Buffer
	log bytes.Buffer
}

// Start runs the binary with args in directory dir ("" for a new one) with exactly the environment env. When the test
// ends the process is asked to end, then killed; its output is shown if the test has failed.
func Start(t testing.TB, dir string, env []string, args ...string) *Proc {
	t.Helper()
	if dir == "" {
		dir = t.TempDir()
	}
	p, err := start(Binary(t), dir, env, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Stop()
		if t.Failed() {
			t.Logf("sluice %s:\n%s%s", strings.Join(args, " "), p.Out(), p.Log())
		}
	})
	return p
}

func start(bin, dir string, env []string, args ...string) (*Proc, error) {
	p := &Proc{cmd: exec.Command(bin, args...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Env = dir, env
	p.cmd.SysProcAttr = endWithUs()
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	log, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	p.start = time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	var readers sync.WaitGroup
	readers.Go(func() { p.read(out, &p.out) })
	readers.Go(func() { p.read(log, &p.log) })
	go func() { // ends with the process; Stop waits for it
		readers.Wait()
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

func (p *Proc) read(from io.Reader, to *bytes.Buffer) {
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		p.mu.Lock()
		to.WriteString(line)
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Out returns what the process has written to standard output.
func (p *Proc) Out() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// Log returns what the process has written to standard error.
func (p *Proc) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// Started returns when the process was started.
func (p *Proc) Started() time.Time { return p.start }

// Signal sends a signal to the process.
func (p *Proc) Signal(t testing.TB, s os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatalf("signal %v: %v", s, err)
	}
}

// Done is closed when the process has ended.
func (p *Proc) Done() <-chan struct{} { return p.done }

// Exit waits for the end of the process and returns its exit code; -1 after a signal.
func (p *Proc) Exit(t testing.TB, limit time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(limit):
		t.Fatalf("the process has not ended within %v", limit)
		return 0
	}
}

// Stop ends the process: politely, then not.
func (p *Proc) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
		return
	case <-time.After(3 * time.Second):
	}
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Kill ends the process without warning and waits for its end.
func (p *Proc) Kill(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		t.Fatalf("kill: %v", err)
	}
	<-p.done
}

// Match waits until the process has printed what the expression matches and returns the first group.
func (p *Proc) Match(t testing.TB, re *regexp.Regexp) string {
	t.Helper()
	var found string
	Eventually(t, Wait, func() error {
		m := re.FindStringSubmatch(p.Out())
		if m == nil {
			select {
			case <-p.done:
				t.Fatalf("the process has ended (%v) without printing %s:\n%s%s", p.err, re, p.Out(), p.Log())
			default:
			}
			return fmt.Errorf("no %s in the output", re)
		}
		found = m[1]
		return nil
	})
	return found
}

// Run runs the binary to its end and returns its exit code and output.
func Run(t testing.TB, dir string, env []string, args ...string) (code int, out, log string) {
	t.Helper()
	p := Start(t, dir, env, args...)
	code = p.Exit(t, Wait)
	return code, p.Out(), p.Log()
}
