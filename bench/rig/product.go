//go:build linux

package rig

import (
	"context"
	"fmt"
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
