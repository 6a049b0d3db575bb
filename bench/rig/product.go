//go:build linux

package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Product is a running process of the product, `sluice sim` or `sluice serve`.
type Product struct {
	*Process
	Addr string // host and port
}

// URL returns the root of its paths.
func (p *Product) URL() string { return "http://" + p.Addr }

// StartSim starts a simulator with a configuration file of that text, in a directory that exists. As Start, it must be called on the main
// goroutine's thread.
func StartSim(ctx context.Context, program, dir, name, config string) (*Product, error) {
	return startProduct(ctx, Spec{Dir: dir, Name: name, Args: []string{program, "sim", "--listen", "127.0.0.1:0"}}, config)
}

// StartGateway starts a gateway with a configuration file of that text. As Start, it must be called on the main goroutine's thread.
func StartGateway(ctx context.Context, program, dir, name, config string, env ...string) (*Product, error) {
	return startProduct(ctx, Spec{Dir: dir, Name: name, Env: env, Args: []string{program, "serve", "--listen", "127.0.0.1:0", "--data-dir", filepath.Join(dir, name)}}, config)
}

// startProduct starts a process and reads its address from the first line that it writes, which has a URL in it.
func startProduct(ctx context.Context, s Spec, config string) (*Product, error) {
	file := filepath.Join(s.Dir, s.Name+".yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("configure %s: %w", s.Name, err)
	}
	s.Args = append(s.Args, "--config", file)
	p, err := Start(s)
	if err != nil {
		return nil, err
	}
	line, err := p.ReadLine(ctx, 20*time.Second)
	_, rest, ok := strings.Cut(line, "http://")
	if err == nil && !ok {
		err = p.Failure(fmt.Errorf("its first line is %q", line))
	}
	if err != nil {
		p.Stop()
		return nil, err
	}
	addr, _, _ := strings.Cut(rest, " ")
	addr, _, _ = strings.Cut(addr, "/")
	return &Product{Process: p, Addr: strings.TrimSpace(addr)}, nil
}

// Ready waits until a gateway says at /readyz that it is, for 20 s at most.
func (p *Product) Ready(ctx context.Context) error {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for end := time.Now().Add(20 * time.Second); ; {
		resp, err := client.Get(p.URL() + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("status %d", resp.StatusCode)
		}
		if time.Now().After(end) {
			return p.Failure(err)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-p.Done():
			return p.Failure(errors.New("ended before it was ready"))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// FreeAddr returns an address on which nothing listens, for a program that cannot choose one by itself.
func FreeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}
