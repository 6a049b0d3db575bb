//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"sluice/bench/rig"
	"sluice/internal/sim"
)

// lab is where sections work: the program under test, and a way to run it. All methods may be called at the same time.
type lab struct {
	o      *options
	dir    string // for logs and configurations
	sluice string // the binary
	remove bool   // dir, at the end

	starts chan func() // run by the goroutine that starts children
	ended  sync.WaitGroup
}

// newLab builds the program.
func newLab(ctx context.Context, o *options) (*lab, error) {
	if _, err := rig.RaiseFiles(); err != nil {
		return nil, err
	}
	l := &lab{o: o, dir: o.keep, starts: make(chan func())}
	var err error
	if l.dir == "" {
		l.remove = true
		l.dir, err = os.MkdirTemp("", "sluice-scheduler-")
	} else {
		err = os.MkdirAll(l.dir, 0o755)
	}
	if err != nil {
		return nil, fmt.Errorf("make directory: %w", err)
	}
	if o.sluice != "" {
		l.sluice, err = filepath.Abs(o.sluice)
	} else {
		fmt.Fprintln(os.Stderr, "building sluice")
		l.sluice, err = rig.Build(ctx, l.dir)
	}
	if err != nil {
		return nil, err
	}
	l.ended.Go(func() {
		runtime.LockOSThread() // children die with the thread that started them; see rig.Start
		for start := range l.starts {
			start()
		}
	})
	return l, nil
}

// close ends the lab. What was started must have been stopped.
func (l *lab) close() {
	close(l.starts)
	l.ended.Wait()
	if l.remove {
		_ = os.RemoveAll(l.dir) // a temporary directory: what is left of it does no harm
	}
}

// start runs a child on the goroutine that stays with its thread.
func (l *lab) start(spec rig.Spec) (p *rig.Process, err error) {
	done := make(chan struct{})
	l.starts <- func() {
		p, err = rig.Start(spec)
		close(done)
	}
	<-done
	return p, err
}

// provider is a simulated provider.
type provider struct {
	*rig.Process
	addr string
}

// provide starts a simulated provider by a configuration; name tells it apart from others of the run.
func (l *lab) provide(ctx context.Context, name, config string) (*provider, error) {
	name = fileName(name) + "-sim"
	file := filepath.Join(l.dir, name+".yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("configure simulator: %w", err)
	}
	p, err := l.start(rig.Spec{Dir: l.dir, Name: name, Args: []string{l.sluice, "sim", "--listen", "127.0.0.1:0", "--config", file}})
	if err != nil {
		return nil, err
	}
	line, err := p.ReadLine(ctx, 20*time.Second) // simulated provider at URL (...
	_, rest, ok := strings.Cut(line, " at http://")
	if err == nil && !ok {
		err = p.Failure(fmt.Errorf("its first line is %q", line))
	}
	if err != nil {
		p.Stop()
		return nil, err
	}
	addr, _, _ := strings.Cut(rest, "/")
	return &provider{p, addr}, nil
}

// stats returns what the provider has counted.
func (p *provider) stats() (*sim.Stats, error) {
	var st sim.Stats
	if err := rig.Get(p.addr, "/sim/stats", &st); err != nil {
		return nil, fmt.Errorf("read counts of the simulator: %w", err)
	}
	return &st, nil
}

// reset has the provider count from zero; what was charged to its quotas stays charged.
func (p *provider) reset() error {
	resp, err := http.Post("http://"+p.addr+"/sim/reset", "", nil)
	if err != nil {
		return fmt.Errorf("reset counts of the simulator: %w", err)
	}
	return resp.Body.Close()
}

// gateway is a gateway that is ready.
type gateway struct {
	*rig.Process
	addr string
}

// gate starts a gateway by a configuration without listen and data_dir, and waits until it is ready.
func (l *lab) gate(ctx context.Context, name, config string) (*gateway, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	name = fileName(name) + "-gateway"
	file := filepath.Join(l.dir, name+".yaml")
	text := fmt.Sprintf("listen: %s\ndata_dir: %s\n%s", addr, filepath.Join(l.dir, name+"-data"), config)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, fmt.Errorf("configure gateway: %w", err)
	}
	p, err := l.start(rig.Spec{Dir: l.dir, Name: name, Args: []string{l.sluice, "serve", "--config", file}})
	if err != nil {
		return nil, err
	}
	if err := ready(ctx, p, addr); err != nil {
		p.Stop()
		return nil, err
	}
	return &gateway{p, addr}, nil
}

// ready waits until the gateway says that it is.
func ready(ctx context.Context, p *rig.Process, addr string) error {
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	for end := time.Now().Add(20 * time.Second); ; {
		resp, err := client.Get("http://" + addr + "/readyz")
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

// freeAddr returns an address on which nothing listens.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func fileName(s string) string { return strings.NewReplacer("/", "-", " ", "-").Replace(s) }

// progress tells whoever watches.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
