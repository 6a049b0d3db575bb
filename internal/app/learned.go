package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"sluice/internal/pace"
)

// learnedEvery is how often what was learned of quotas is written, if it has changed.
const learnedEvery = time.Minute

// maxLearned bounds the file that is read.
const maxLearned = 8 << 20

// learn keeps what is learned of quotas in a file of the data directory, so that a restart does not begin anew. It returns when ctx ends, after
// it has written for the last time. A file that cannot be read is left out: then all is learned again.
func (a *App) learn(ctx context.Context) {
	path := filepath.Join(a.current().DataDir, "learned.json")
	last := a.recall(path)
	a.sweepUnfinished(path)
	tick := time.NewTicker(learnedEvery)
	defer tick.Stop()
	for done := false; !done; {
		select {
		case <-tick.C:
			a.fleet.Rest()
		case <-ctx.Done():
			done = true
		}
		text, err := json.MarshalIndent(a.fleet.Learned(), "", " ")
		if err == nil && !bytes.Equal(text, last) {
			if err = replaceFile(path, text); err == nil {
				last = text
			}
		}
		if err != nil {
			a.log.Warn("what is learned of quotas is not kept: it is learned anew after a restart", "file", path, "error", err)
		}
	}
}

// recall reads the file, and returns what is in it.
func (a *App) recall(path string) []byte {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var text []byte
	if err == nil && info.Size() <= maxLearned {
		text, err = os.ReadFile(path)
	}
	if err == nil && info.Size() > maxLearned {
		err = fmt.Errorf("it has %d bytes, more than %d", info.Size(), maxLearned)
	}
	var all []pace.Learned
	if err == nil {
		all, err = pace.ReadLearned(text)
	}
	if err != nil {
		a.log.Warn("what was learned of quotas cannot be read: it is learned anew", "file", path, "error", err)
		return nil
	}
	a.fleet.Recall(all)
	return text
}

// unfinishedTime is how old a file must be to have been left by a process that was killed while it wrote it.
const unfinishedTime = time.Minute

// sweepUnfinished removes what processes left that were killed in the middle of replaceFile.
func (a *App) sweepUnfinished(path string) {
	left, err := filepath.Glob(path + ".*") // the pattern is sound: what is strange in the directory's name matches nothing
	for _, name := range left {
		if info, e := os.Stat(name); e == nil && time.Since(info.ModTime()) > unfinishedTime {
			err = errors.Join(err, os.Remove(name))
		}
	}
	if err != nil {
		a.log.Warn("an unfinished file is left", "file", path, "error", err)
	}
}

// replaceFile writes a file so that there is either the old one or all of the new one.
func replaceFile(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil { // with PostgreSQL nothing else needs the directory
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
