//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"sluice/bench/rig"
)

const (
	benchKey = "sk-bench-0123456789abcdef0123456789abcdef"
)

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
	unguarded    = "sluice-unguarded"  // nothing is watched, recorded for a rescue, or supervised
	translated   = "sluice-translated" // the mock speaks Anthropic's protocol; streams only
)

// launch starts a peer in front of the mock and returns it with its address, answering calls. direct has no process.
func (r *runner) launch(ctx context.Context, p peer, mock string) (*rig.Process, string, error) {
	var (
		proc *rig.Process
		addr string
		err  error
	)
	switch p.Name {
	case direct:
		return nil, mock, nil
	case reverseProxy:
		if proc, err = rig.Start(rig.Spec{Dir: r.dir, Name: p.Name, CPUs: r.o.peerCPUs, Args: []string{r.self, "proxy", "http://" + mock}}); err == nil {
			addr, err = proc.ReadLine(ctx, 10*time.Second)
		}
	default:
		if addr, err = rig.FreeAddr(); err != nil {
			return nil, "", err
		}
		var args []string
		if args, err = r.configure(p, addr, mock); err == nil {
			proc, err = rig.Start(rig.Spec{Dir: r.dir, Name: p.Name, CPUs: r.o.peerCPUs, Args: args})
		}
	}
	if err == nil {
		err = ready(ctx, proc, addr)
	}
	if err != nil {
		if proc != nil {
			proc.Stop()
		}
		return nil, "", err
	}
	return proc, addr, nil
}

// ready makes calls until they are answered, then a few more, so that what a program does once is behind it.
func ready(ctx context.Context, p *rig.Process, addr string) error {
	good, end := 0, time.Now().Add(20*time.Second)
	for {
		err := callOnce(ctx, addr)
		if good++; err != nil {
			good = 0
		}
		switch {
		case good == 10:
			return nil
		case good > 0:
			continue
		case time.Now().After(end):
			return p.Failure(err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.Done():
			return p.Failure(errors.New("ended before it answered"))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func callOnce(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	const body = `{"model":"bench/mock","messages":[{"role":"user","content":"Are you there?"}]}`
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Close = true // an idle connection would be the peer's to keep
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+benchKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || !bytes.Contains(b, []byte(`"total_tokens"`))) {
		err = fmt.Errorf("status %d: %.200s", resp.StatusCode, b)
	}
	return err
}

// configure writes a peer's configuration and returns its command line.
func (r *runner) configure(p peer, addr, mock string) ([]string, error) {
	dir, err := os.MkdirTemp(r.dir, p.Name+"-")
	if err != nil {
		return nil, fmt.Errorf("configure %s: %w", p.Name, err)
	}
	file, text, args := filepath.Join(dir, "sluice.yaml"), sluiceConfig(p, addr, mock, dir), []string{p.path, "serve", "--config"}
	if p.Name == nginx {
		file, text, args = filepath.Join(dir, "nginx.conf"), nginxConfig(addr, mock, dir), []string{p.path, "-e", "stderr", "-p", dir, "-c"}
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("configure %s: %w", p.Name, err)
	}
	return append(args, file), nil
}

// sluiceConfig leaves all but one at its default: logging, ledger, metrics, guards and rescue are on, and a key is required. Supervision is off:
// with it a call is a stream, and costs what its chunks cost, which is measured apart; here calls are to be the same work for all peers.
func sluiceConfig(p peer, addr, mock, dir string) string {
	api := "openai"
	if p.Name == translated {
		api = "anthropic"
	}
	more := "supervise: \"off\"\n"
	if p.Name == unguarded {
		more += "on_break: error\nguards: {repetition: \"off\", min_rate: 0}\nstructured: {retry: 0, stream: \"off\"}\n"
	}
	return fmt.Sprintf(`listen: %s
data_dir: %s
%sproviders:
  bench: {api: %s, base_url: "http://%s/v1", api_key: sk-mock}
keys:
  - {name: bench, key: %s}
`, addr, filepath.Join(dir, "data"), more, api, mock, benchKey)
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
