package config

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	quietTime = 100 * time.Millisecond // files must have been left alone for so long before they are read
	giveUp    = 2 * time.Second        // but one that never rests is read after so long
)

// Reload is what became of one attempt to take in a changed configuration.
type Reload struct {
	Config  *Config  // what holds: the new configuration if Err is nil, else the one before
	Err     error    // why nothing changed; *Error if the file is wrong
	Changes []Change // what took effect
	Restart []string // key paths that differ but wait for the program's next start
}

// Watcher keeps a running program's configuration up with its file, and with the files that it refers to. It watches
// their directories, so that it sees files that are replaced (as editors do) and symbolic links that are swapped (as
// Kubernetes does).
type Watcher struct {
	// set once
	path   string
	env    func(string) (string, bool)
	apply  func(*Config) error
	report func(Reload)

	asked chan chan Reload // sent by Reload, received by Run; each inner one is buffered and answered once

	// owned by Run
	current *Config
	seen    [sha256.Size]byte // digest of the files at the last attempt, good or bad
	watch   *fsnotify.Watcher
	dirs    map[string]bool
}

// NewWatcher makes a watcher for the configuration that current was loaded from. For each valid change, Run calls apply
// with the whole new configuration, in which settings that need a restart have kept their values; an error from apply
// means that nothing was changed. report, which may be nil, is told the end of each attempt, and not of those that found
// nothing changed. Both are called from Run's goroutine.
func NewWatcher(current *Config, env func(string) (string, bool), apply func(*Config) error, report func(Reload)) *Watcher {
	if report == nil {
		report = func(Reload) {}
	}
	return &Watcher{
		path:    current.File(),
		env:     env,
		apply:   apply,
		report:  report,
		asked:   make(chan chan Reload),
		current: current,
		dirs:    make(map[string]bool),
	}
}

// Reload reads the configuration at once, whether its file changed or not, and returns what became of it. It waits for
// Run to do so; if ctx ends before, Err is the reason. It is what SIGHUP and the admin API call, from any goroutine.
func (w *Watcher) Reload(ctx context.Context) Reload {
	answer := make(chan Reload, 1)
	select {
	case w.asked <- answer:
	case <-ctx.Done():
		return Reload{Err: fmt.Errorf("reload configuration: %w", context.Cause(ctx))}
	}
	select {
	case r := <-answer:
		return r
	case <-ctx.Done():
		return Reload{Err: fmt.Errorf("reload configuration: %w", context.Cause(ctx))}
	}
}

// Run watches until ctx ends, and then returns nil. An error means that watching could not begin or broke.
func (w *Watcher) Run(ctx context.Context) error {
	fw, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch configuration: %w", err)
	}
	defer fw.Close() // its events end with us
	w.watch = fw
	// What holds was loaded some time ago: a change since then is seen by the first check.
	w.follow(w.current)
	return w.loop(ctx)
}

// Answer serves Reload until ctx ends, and watches nothing. It is for after Run has returned an error: a system that has no
// watches left must not take SIGHUP with them.
func (w *Watcher) Answer(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case answer := <-w.asked:
			answer <- w.attempt()
		}
	}
}

func (w *Watcher) loop(ctx context.Context) error {
	timer := time.NewTimer(0) // the first check
	defer timer.Stop()
	var first time.Time // event that the timer waits for the end of; zero if none
	for {
		select {
		case <-ctx.Done():
			return nil
		case answer := <-w.asked:
			answer <- w.attempt()
		case _, ok := <-w.watch.Events:
			if !ok {
				return errors.New("watch configuration: events ended")
			}
			if first.IsZero() {
				first = time.Now()
			}
			timer.Reset(min(quietTime, max(0, giveUp-time.Since(first))))
		case <-w.watch.Errors:
			// Events were lost. The files are compared by content, so one check makes up for all of them.
			timer.Reset(quietTime)
		case <-timer.C:
			first = time.Time{}
			if w.path != "" && w.digest() != w.seen {
				w.attempt()
			}
		}
	}
}

// attempt loads, and applies if that is in order. In any case the files count as seen.
func (w *Watcher) attempt() Reload {
	w.seen = w.digest()
	r := w.load()
	if r.Err != nil || len(r.Changes) > 0 || len(r.Restart) > 0 {
		w.report(r)
	}
	return r
}

func (w *Watcher) load() Reload {
	c, err := w.read()
	if err != nil {
		return Reload{Config: w.current, Err: err}
	}
	// A file that the new configuration refers to has been read, good or not: it is watched from here on.
	w.follow(c)
	held := keepRestart(w.current, c)
	changes := Diff(w.current, c)
	if len(changes) > 0 {
		if err := w.apply(c); err != nil {
			return Reload{Config: w.current, Err: fmt.Errorf("apply configuration: %w", err)}
		}
	}
	if !slices.Equal(w.current.source.files, c.source.files) {
		w.seen = [sha256.Size]byte{} // of other files; the next event leads to a check
	}
	w.current = c
	return Reload{Config: c, Changes: changes, Restart: held}
}

func (w *Watcher) read() (c *Config, err error) {
	if w.path == "" {
		c, err = FromEnv(w.env)
	} else {
		c, err = Load(w.path, w.env)
	}
	if adjust := w.current.source.adjust; adjust != nil && err == nil {
		c.Adjust(adjust)
	}
	return c, err
}

// digest is of the content of all files that the configuration comes from. A file that is gone has a digest too.
func (w *Watcher) digest() [sha256.Size]byte {
	h := sha256.New()
	for _, name := range w.current.source.files {
		// Reading what is no regular file could block, or take from it what is there once only.
		if st, err := os.Stat(name); err != nil || !st.Mode().IsRegular() {
			fmt.Fprintf(h, "%s none\n", name)
			continue
		}
		b, err := readFile(name)
		fmt.Fprintf(h, "%s %d %t\n", name, len(b), err == nil)
		h.Write(b)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// follow watches the directories of a configuration's files, and of what these are links to.
func (w *Watcher) follow(c *Config) {
	for _, name := range c.source.files {
		dirs := []string{filepath.Dir(name)}
		if target, err := filepath.EvalSymlinks(name); err == nil {
			dirs = append(dirs, filepath.Dir(target))
		}
		for _, dir := range dirs {
			// A directory that cannot be watched leaves SIGHUP, which needs none.
			if !w.dirs[dir] && w.watch != nil && w.watch.Add(dir) == nil {
				w.dirs[dir] = true
			}
		}
	}
}
