//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	modelName = "bench/mock"
	benchKey  = "sk-bench-0123456789abcdef0123456789abcdef"
)

// process is a child in its own process group, which dies with the runner whatever happens to it: it is killed by its
// id when the runner ends or is interrupted, and by the kernel when the runner is killed itself.
type process struct {
	name string
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	logs string        // file with what it wrote to stderr
	done chan struct{} // closed by the waiting goroutine when the process has ended
}

// startProcess runs a command, pinned to CPUs if any are given. Parent-death signals follow the thread that made the
// child: the runner's main goroutine stays locked to its thread and is the only caller.
func startProcess(dir, name string, cpus []int, args ...string) (*process, error) {
	if len(cpus) > 0 {
		args = append([]string{"taskset", "-c", joinCPUs(cpus)}, args...)
	}
	p := &process{name: name, cmd: exec.Command(args[0], args[1:]...), logs: filepath.Join(dir, name+".log"), done: make(chan struct{})}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stderr, err := os.Create(p.logs)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer stderr.Close()
	p.cmd.Stderr = stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	r, w, err := os.Pipe() // not StdoutPipe, which Wait would close under a reader
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer w.Close()
	p.cmd.Stdout = w
	p.out = bufio.NewReader(r)
	if err := p.cmd.Start(); err != nil {
		r.Close()
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() { // ends with the process, for which stop waits
		_ = p.cmd.Wait() // how it ended does not matter: an early end shows in what was asked of it
		r.Close()
		close(p.done)
	}()
	return p, nil
}

// pid returns the process id. taskset replaces itself by the command, so that it is the command's own.
func (p *process) pid() int { return p.cmd.Process.Pid }

// stop ends the process and its group, by force if it does not go by itself.
func (p *process) stop() {
	for _, step := range []struct {
		sig  syscall.Signal
		wait time.Duration
	}{{syscall.SIGTERM, 3 * time.Second}, {syscall.SIGKILL, 10 * time.Second}} {
		_ = syscall.Kill(-p.pid(), step.sig) // fails only if the group has gone
		select {
		case <-p.done:
			return
		case <-time.After(step.wait):
		}
	}
}

// readLine returns the next line of the process's output.
func (p *process) readLine(ctx context.Context, limit time.Duration) (string, error) {
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
			return "", p.failure(a.err)
		}
		return strings.TrimSpace(a.line), nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	case <-time.After(limit):
		return "", p.failure(errors.New("no answer in time"))
	}
}

// failure adds the end of the process's log to an error.
func (p *process) failure(err error) error {
	b, rerr := os.ReadFile(p.logs)
	if rerr != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return fmt.Errorf("%s: %w; its log ends: %s", p.name, err, bytes.TrimSpace(b[max(0, len(b)-600):]))
}

// peer is one of the things that are compared.
type peer struct {
	Name    string
	Version string `json:",omitempty"`
	Missing string `json:",omitempty"` // why it cannot run and what to do; empty if it can
	path    string
}

// The names of the peers, as they stand in tables.
const (
	direct       = "direct"
	reverseProxy = "ReverseProxy"
	nginx        = "nginx"
	sluice       = "sluice"
)

// launch starts a peer in front of the mock and returns it with its address, answering calls. direct has no process.
func (r *runner) launch(ctx context.Context, p peer, mock string) (*process, string, error) {
	var (
		proc *process
		addr string
		err  error
	)
	switch p.Name {
	case direct:
		return nil, mock, nil
	case reverseProxy:
		if proc, err = startProcess(r.dir, p.Name, r.o.peerCPUs, r.self, "proxy", "http://"+mock); err == nil {
			addr, err = proc.readLine(ctx, 10*time.Second)
		}
	default:
		if addr, err = freeAddr(); err != nil {
			return nil, "", err
		}
		var args []string
		if args, err = r.configure(p, addr, mock); err == nil {
			proc, err = startProcess(r.dir, p.Name, r.o.peerCPUs, args...)
		}
	}
	if err == nil {
		err = proc.ready(ctx, addr)
	}
	if err != nil {
		if proc != nil {
			proc.stop()
		}
		return nil, "", err
	}
	return proc, addr, nil
}

// ready makes calls until they are answered, then a few more, so that what a program does once is behind it.
func (p *process) ready(ctx context.Context, addr string) error {
	good, end := 0, time.Now().Add(20*time.Second)
	for {
		err := callOnce(addr)
		if good++; err != nil {
			good = 0
		}
		switch {
		case good == 10:
			return nil
		case good > 0:
			continue
		case time.Now().After(end):
			return p.failure(err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.done:
			return p.failure(errors.New("ended before it answered"))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func callOnce(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	if _, err := c.Write(request(addr, 300, 0, 0)); err != nil {
		return err
	}
	return readAnswer(bufio.NewReaderSize(c, 8192))
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// configure writes a peer's configuration and returns its command line.
func (r *runner) configure(p peer, addr, mock string) ([]string, error) {
	dir, err := os.MkdirTemp(r.dir, p.Name+"-")
	if err != nil {
		return nil, fmt.Errorf("configure %s: %w", p.Name, err)
	}
	file, text, args := filepath.Join(dir, "sluice.yaml"), sluiceConfig(addr, mock, dir), []string{p.path, "serve", "--config"}
	if p.Name == nginx {
		file, text, args = filepath.Join(dir, "nginx.conf"), nginxConfig(addr, mock, dir), []string{p.path, "-e", "stderr", "-p", dir, "-c"}
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("configure %s: %w", p.Name, err)
	}
	return append(args, file), nil
}

// sluiceConfig leaves everything at its default: logging, ledger and metrics are on, and a key is required.
func sluiceConfig(addr, mock, dir string) string {
	return fmt.Sprintf(`listen: %s
data_dir: %s
providers:
  bench: {api: openai, base_url: "http://%s/v1", api_key: sk-mock}
keys:
  - {name: bench, key: %s}
`, addr, filepath.Join(dir, "data"), mock, benchKey)
}

// nginxConfig is a lean streaming proxy: one process, no buffering, kept connections, no logs.
func nginxConfig(addr, mock, dir string) string {
	return fmt.Sprintf(`daemon off;
master_process off;  # one process to measure and to kill; it serves as a worker would
worker_processes 1;
pid %[3]s/nginx.pid;
error_log stderr error;
events { worker_connections 16384; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_timeout 600s;
  keepalive_requests 1000000000;
  client_max_body_size 32m;
  client_body_buffer_size 64k;
  client_body_temp_path %[3]s/body;
  proxy_temp_path %[3]s/proxy;
  fastcgi_temp_path %[3]s/fastcgi;
  uwsgi_temp_path %[3]s/uwsgi;
  scgi_temp_path %[3]s/scgi;
  upstream mock {
    server %[2]s;
    keepalive 1024;
    keepalive_requests 1000000000;
  }
  server {
    listen %[1]s backlog=4096;
    location / {
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
      proxy_read_timeout 600s;
    }
  }
}
`, addr, mock, dir)
}
