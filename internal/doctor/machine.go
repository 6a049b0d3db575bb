package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// fewFiles is a limit on open files below which a busy gateway runs out: each call takes two.
const fewFiles = 4096

// OpenFiles looks at the limit on open files, where there is one to be known.
func OpenFiles() Check {
	n, ok := openFileLimit()
	if !ok {
		return Check{Name: "open files", State: Skip, Detail: "not known on this system"}
	}
	c := okf("open files", "at most %s", commas(n))
	if n < fewFiles {
		c.State = Warn
		c.Do = fmt.Sprintf("a call takes two: %s allow some %s at once; raise it (ulimit -n 65536, LimitNOFILE= for systemd)", commas(n), commas(n/2))
	}
	return c
}

// DataDir looks whether the data directory can be written, or made. It leaves nothing behind.
func DataDir(dir string) Check {
	do := "make it writable for this user, or choose another (data_dir, --data-dir)"
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if parent, err := existing(dir); err != nil || probe(parent) != nil {
			return Check{"data directory", Fail, dir + " does not exist and cannot be made", do}
		}
		return okf("data directory", "%s does not exist yet and can be made", dir)
	case err != nil:
		return Check{"data directory", Fail, err.Error(), do}
	case !info.IsDir():
		return Check{"data directory", Fail, dir + " is no directory", "choose another (data_dir, --data-dir)"}
	}
	if err := probe(dir); err != nil {
		return Check{"data directory", Fail, err.Error(), do}
	}
	return okf("data directory", "%s is writable", dir)
}

// existing returns the nearest directory above a path that exists.
func existing(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for {
		path = filepath.Dir(path)
		if _, err := os.Stat(path); err == nil || path == filepath.Dir(path) {
			return path, err
		}
	}
}

// probe makes and removes a file.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, ".sluice-doctor-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// probeTime bounds the question for who listens on a port.
const probeTime = 2 * time.Second

// Listen looks whether an address is free, or taken by a gateway. setting is the key that the address is from.
func Listen(ctx context.Context, setting, addr string) Check {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err == nil {
		_ = ln.Close() // nobody has connected
		return okf(setting, "%s is free", addr)
	}
	c := Check{setting, Fail, fmt.Sprintf("cannot listen on %s: %s", addr, cause(err)), "choose another address (" + setting + ", --listen)"}
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && gatewayAt(ctx, addr):
		return okf(setting, "%s is taken by a gateway that is alive", addr)
	case errors.Is(err, syscall.EADDRINUSE):
		c.Do = "another program has it: end that, or choose another address (" + setting + ", --listen)"
	case errors.Is(err, syscall.EACCES):
		c.Do = "ports below 1024 need a privilege (setcap cap_net_bind_service=+ep), or choose another (" + setting + ", --listen)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		c.Do = "this machine does not have the address: choose another (" + setting + ", --listen)"
	}
	return c
}

// gatewayAt reports whether what listens on an address answers as the gateway's health check does.
func gatewayAt(ctx context.Context, addr string) bool {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	rq, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return false
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(rq)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}
