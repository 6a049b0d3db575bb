package workload

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// opener opens a file that a workload names.
type opener func(name string) (io.ReadCloser, error)

// Load reads a workload from a file, or a shipped one by its name. What is no name of a profile is a path. An error in the
// file is of type *Error and names every problem at once.
func Load(nameOrPath string) (*Workload, error) {
	if w, ok, err := loadProfile(nameOrPath); ok {
		return w, err
	}
	src, err := readFile(nameOrPath)
	if err != nil {
		if !strings.ContainsAny(nameOrPath, `/\.`) {
			return nil, unknownProfile(nameOrPath)
		}
		return nil, fmt.Errorf("read workload: %w", err)
	}
	return Parse(nameOrPath, src)
}

func readFile(path string) ([]byte, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()                                 // only read
	return io.ReadAll(io.LimitReader(f, maxFile+1)) // one byte more: Parse says that it is too large
}

// openRegular opens a file, but nothing that could block or never end.
func openRegular(path string) (io.ReadCloser, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("is no regular file")}
	}
	return os.Open(path)
}

// Parse reads the text of a workload file. name is its path: traces and prompts that it names are looked for beside it.
// Errors in it are of type *Error.
func Parse(name string, src []byte) (*Workload, error) {
	return parse(name, src, func(file string) (io.ReadCloser, error) {
		if !filepath.IsAbs(file) {
			file = filepath.Join(filepath.Dir(name), file)
		}
		return openRegular(file)
	})
}

func parse(name string, src []byte, open opener) (*Workload, error) {
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	f := newFile(open)
	if root := f.parseTree(src); root != nil {
		f.root(root)
	}
	if len(f.problems) == 0 {
		f.check()
	}
	if err := f.err(name, src); err != nil {
		return nil, err
	}
	f.w.Source = string(src)
	f.w.Hash = f.w.hash()
	return &f.w, nil
}

// canonical is everything that decides what is sent and when, in the form that is hashed.
type canonical struct {
	Format  int     `json:"format"` // of this form
	Seed    uint64  `json:"seed"`
	Stream  bool    `json:"stream"`
	Arrival Arrival `json:"arrival"`
	Phases  Phases  `json:"phases"`
	Load    load    `json:"load"`
}

func (w *Workload) hash() string {
	text, err := json.Marshal(canonical{1, w.Seed, w.Stream, w.Arrival, w.Phases, w.load})
	if err != nil {
		panic("BUG: a workload has no JSON: " + err.Error()) // plain numbers and text, none infinite
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Overrides are what a command line changes of a workload. Zero values keep what it says.
type Overrides struct {
	Rate        float64 // open loop at this rate
	Concurrency int     // with Rate a cap on requests in flight; alone a closed loop of so many users
	Phases      *Phases
	Seed        *uint64
	Stream      *bool
	Repeats     int
	Timeout     time.Duration
	MaxSpend    float64
}

// With returns a copy of the workload with changes, hashed anew.
func (w *Workload) With(o Overrides) (*Workload, error) {
	c := *w
	switch {
	case !(o.Rate >= 0 && o.Rate <= MaxRate): // NaN too
		return nil, fmt.Errorf("change workload: the rate is %v; it must be between 0 and %d requests a second", o.Rate, MaxRate)
	case o.Concurrency < 0 || o.Concurrency > maxUsers:
		return nil, fmt.Errorf("change workload: concurrency is %d; it must be between 0 and %d", o.Concurrency, maxUsers)
	case o.Rate > 0:
		c.Arrival = c.Arrival.atRate(o.Rate)
		if c.Arrival.Process == Trace {
			c.Arrival.Speed = o.Rate / c.load.Trace.rate()
		}
		if o.Concurrency > 0 {
			c.Arrival.Concurrency = o.Concurrency
		}
	case o.Concurrency > 0:
		c.Arrival = Arrival{Process: Closed, Concurrency: o.Concurrency, Think: c.Arrival.Think}
		c.load.Replay.Whole = false
	}
	if p := o.Phases; p != nil {
		if p.Sustain <= 0 || min(p.Warmup, p.Ramp, p.Cooldown) < 0 {
			return nil, fmt.Errorf("change workload: phases are %+v; sustain must be above 0, and no other below", *p)
		}
		c.Phases, c.load.Replay.Whole = *o.Phases, false
	}
	if o.Seed != nil {
		c.Seed = *o.Seed
	}
	if o.Stream != nil {
		c.Stream = *o.Stream
	}
	if o.Repeats > 0 {
		c.Repeats = o.Repeats
	}
	if o.Timeout > 0 {
		c.Timeout = o.Timeout
	}
	if o.MaxSpend > 0 {
		c.MaxSpend = o.MaxSpend
	}
	c.Hash = c.hash()
	return &c, nil
}
