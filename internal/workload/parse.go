package workload

import "errors"

type load struct{}

// Load reads a workload from a file, or a shipped profile by its name.
func Load(nameOrPath string) (*Workload, error) { return nil, errors.New("load workload: not built yet") }

// Parse reads a workload file. name is its path: files that it names are looked for beside it.
func Parse(name string, src []byte) (*Workload, error) {
	return nil, errors.New("parse workload: not built yet")
}

// Overrides are what a command line changes of a workload; zero values keep what it says.
type Overrides struct {
	Arrival     *Arrival
	Phases      *Phases
	Seed        *uint64
	Repeats     int
	Rate        float64 // open loop at this rate
	Concurrency int     // with Rate: a cap; alone: a closed loop of so many users
}

// With returns a copy of the workload with changes, checked and hashed anew.
func (w *Workload) With(o Overrides) (*Workload, error) { return nil, errors.New("not built yet") }

// Expected returns the mean tokens of a request, for estimates of cost.
func (w *Workload) Expected() (input, output float64) { return 0, 0 }

// Profile is a workload that ships with the program.
type Profile struct{ Name, Description, Citation string }

// Profiles lists the shipped workloads by name.
func Profiles() []Profile { return nil }
