package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watched is a running Watcher with what it said.
type watched struct {
	t       *testing.T
	w       *Watcher
	applied chan *Config
	reports chan Reload
	refuse  chan error // sent before a change that apply shall refuse
}

func watch(t *testing.T, path string, env ...string) *watched {
	t.Helper()
	c, err := Load(path, environ(env...))
	if err != nil {
		t.Fatal(err)
	}
	r := &watched{t: t, applied: make(chan *Config, 16), reports: make(chan Reload, 16), refuse: make(chan error, 1)}
	apply := func(c *Config) error {
		select {
		case err := <-r.refuse:
			return err
		default:
			r.applied <- c
			return nil
		}
	}
	r.w = NewWatcher(c, environ(env...), apply, func(x Reload) { r.reports <- x })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	// An answer means that Run is at work, so the directories are watched.
	if got := r.w.Reload(t.Context()); got.Err != nil || len(got.Changes) > 0 {
		t.Fatalf("reload without a change: %+v", got)
	}
	return r
}

// next waits for the end of the next attempt.
func (r *watched) next() Reload {
	r.t.Helper()
	select {
	case x := <-r.reports:
		return x
	case <-time.After(20 * time.Second):
		r.t.Fatal("no reload")
		return Reload{}
	}
}

func keys(changes []Change) []string {
	var out []string
	for _, c := range changes {
		out = append(out, c.Key)
	}
	return out
}

func replace(t *testing.T, path, text string) {
	t.Helper()
	write(t, path+".tmp", text)
	if err := os.Rename(path+".tmp", path); err != nil {
		t.Fatal(err)
	}
}

func TestWatchFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	write(t, path, "log: {level: info}\n")
	r := watch(t, path)

	write(t, path, "log: {level: warn}\n") // in place
	if got := r.next(); got.Err != nil || got.Config.Obs.Log.Level != "warn" || !cmp.Equal(keys(got.Changes), []string{"log.level"}) {
		t.Errorf("written in place: %+v", got)
	}
	if c := <-r.applied; c.Obs.Log.Level != "warn" {
		t.Errorf("applied level %s", c.Obs.Log.Level)
	}

	replace(t, path, "log: {level: error}\n") // as editors do
	if got := r.next(); got.Err != nil || got.Config.Obs.Log.Level != "error" {
		t.Errorf("renamed over: %+v", got)
	}
	<-r.applied

	replace(t, path, "log: {level: eror}\n")
	got := r.next()
	var bad *Error
	if !errors.As(got.Err, &bad) || got.Config.Obs.Log.Level != "error" {
		t.Errorf("bad file: %+v", got)
	}

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if got := r.next(); !errors.Is(got.Err, os.ErrNotExist) || got.Config.Obs.Log.Level != "error" {
		t.Errorf("file gone: %+v", got)
	}

	write(t, path, "log: {level: debug}\n")
	if got := r.next(); got.Err != nil || got.Config.Obs.Log.Level != "debug" {
		t.Errorf("file back: %+v", got)
	}
	<-r.applied

	if len(r.applied) != 0 {
		t.Error("something was applied that was not in order")
	}
}

func TestWatchSettingsThatNeedARestart(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	write(t, path, "listen: localhost:1\ndata_dir: a\n")
	r := watch(t, path)
	replace(t, path, "listen: localhost:2\ndata_dir: b\ndatabase: postgres://new\ntracing: {sample: 3%}\nlog: {level: warn}\n")
	got := r.next()
	if diff := cmp.Diff([]string{"listen", "data_dir", "database", "tracing.sample"}, got.Restart); diff != "" {
		t.Errorf("restart (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"log.level"}, keys(got.Changes)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	c := <-r.applied
	if c.Ingress.Listen != "localhost:1" || c.DataDir != "a" || !c.Database.Empty() || c.Obs.Tracing.Sample != 1 || c.Obs.Log.Level != "warn" {
		t.Errorf("applied\n%s", c.Redacted())
	}
	replace(t, path, "listen: localhost:1\ndata_dir: c\nlog: {level: warn}\n")
	if got := r.next(); !cmp.Equal(got.Restart, []string{"data_dir"}) || len(got.Changes) != 0 || len(r.applied) != 0 {
		t.Errorf("restart only: %+v", got)
	}
}

func TestWatchApplyRefuses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	write(t, path, "log: {level: info}\n")
	r := watch(t, path)
	errFull := errors.New("no room")
	r.refuse <- errFull
	replace(t, path, "log: {level: warn}\n")
	if got := r.next(); !errors.Is(got.Err, errFull) || got.Config.Obs.Log.Level != "info" {
		t.Errorf("refused: %+v", got)
	}
	// Asked again, it tries again, although the file is the same.
	if got := r.w.Reload(t.Context()); got.Err != nil || got.Config.Obs.Log.Level != "warn" {
		t.Errorf("second try: %+v", got)
	}
}

// Kubernetes mounts a configuration as a link to a directory that is itself a link, and swaps the latter.
func TestWatchSymlinkSwap(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	version := func(name, level string) {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, name, "sluice.yaml"), "log: {level: "+level+"}\n")
	}
	link := func(target, name string) {
		if err := os.Symlink(target, filepath.Join(dir, name+".tmp")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, name+".tmp"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	version("v1", "info")
	link("v1", "..data")
	link("..data/sluice.yaml", "sluice.yaml")
	r := watch(t, filepath.Join(dir, "sluice.yaml"))
	for _, step := range []struct{ name, level string }{{"v2", "warn"}, {"v3", "debug"}} {
		version(step.name, step.level)
		link(step.name, "..data")
		if got := r.next(); got.Err != nil || got.Config.Obs.Log.Level != step.level {
			t.Errorf("%s: %+v", step.name, got)
		}
	}
}

func TestWatchReferredFile(t *testing.T) {
	t.Parallel()
	dir, secrets := t.TempDir(), t.TempDir()
	path, secret := filepath.Join(dir, "sluice.yaml"), filepath.Join(secrets, "key")
	write(t, secret, "first")
	write(t, path, "admin_key: ${file:"+secret+"}\n")
	r := watch(t, path)
	replace(t, secret, "second")
	got := r.next()
	if got.Err != nil || got.Config.Console.AdminKey.Reveal() != "second" || !cmp.Equal(keys(got.Changes), []string{"admin_key"}) {
		t.Errorf("rotated secret: %+v", got)
	}
	if s := got.Changes[0].Old + got.Changes[0].New; strings.Contains(s, "first") || strings.Contains(s, "second") {
		t.Errorf("change shows the secret: %s", s)
	}
}

func TestReloadEnds(t *testing.T) {
	t.Parallel()
	c, err := FromEnv(environ())
	if err != nil {
		t.Fatal(err)
	}
	w := NewWatcher(c, environ(), nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := w.Reload(ctx); !errors.Is(got.Err, context.Canceled) {
		t.Errorf("without Run: %+v", got)
	}
}

// TestReloadWithoutWatch checks that a program whose files cannot be watched still reads them when it is told to.
func TestReloadWithoutWatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	replace(t, path, "max_body: 1MiB\n")
	c, err := Load(path, environ())
	if err != nil {
		t.Fatal(err)
	}
	var applied []*Config // by Answer, read when it has ended
	w := NewWatcher(c, environ(), func(c *Config) error { applied = append(applied, c); return nil }, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.Answer(ctx); close(done) }()
	replace(t, path, "max_body: 2MiB\n")
	if r := w.Reload(t.Context()); r.Err != nil || !slices.Equal(keys(r.Changes), []string{"max_body"}) {
		t.Errorf("reload: %+v", r)
	}
	cancel()
	<-done
	if len(applied) != 1 || applied[0].Ingress.MaxBody != 2<<20 {
		t.Errorf("applied %v", applied)
	}
}

// TestReloadKeepsAdjustments: what a command line changed is no change of the file, and holds after the file has changed.
func TestReloadKeepsAdjustments(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sluice.yaml")
	replace(t, path, "listen: 127.0.0.1:1\nmax_body: 1MiB\n")
	c, err := Load(path, environ())
	if err != nil {
		t.Fatal(err)
	}
	c.Adjust(func(c *Config) { c.Ingress.Listen = "127.0.0.1:0" })
	w := NewWatcher(c, environ(), func(*Config) error { return nil }, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.Answer(ctx); close(done) }()
	for _, body := range []string{"2MiB", "3MiB"} {
		replace(t, path, "listen: 127.0.0.1:1\nmax_body: "+body+"\n")
		r := w.Reload(t.Context())
		if r.Err != nil || len(r.Restart) != 0 || r.Config.Ingress.Listen != "127.0.0.1:0" || !slices.Equal(keys(r.Changes), []string{"max_body"}) {
			t.Errorf("reload: %+v, listening on %s", r, r.Config.Ingress.Listen)
		}
	}
	cancel()
	<-done
}

func TestReloadFromEnvironment(t *testing.T) {
	t.Parallel()
	c, err := FromEnv(environ())
	if err != nil {
		t.Fatal(err)
	}
	applied := make(chan *Config, 1)
	w := NewWatcher(c, environ("GROQ_API_KEY", "k"), func(c *Config) error { applied <- c; return nil }, nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	if got := w.Reload(ctx); got.Err != nil || got.Config.Providers[0].Name != "groq" {
		t.Errorf("reload: %+v", got)
	}
	cancel()
	if err := <-done; err != nil || len(applied) != 1 {
		t.Errorf("Run: %v, %d applied", err, len(applied))
	}
}
