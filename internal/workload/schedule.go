package workload

import (
	"errors"
	"time"
)

// ScheduleOptions choose a run of a workload.
type ScheduleOptions struct {
	Key      Key     // Seed and Repeat decide lengths and gaps: cells and steps get the same load
	Rate     float64 // in place of the workload's; 0 keeps it. A closed loop becomes an open one.
	Phases   *Phases // in place of the workload's; nil keeps them
	Requests int64   // at most so many; 0 for no limit
}

// Schedule is computed whole before a run starts, and never changed by what happens in it.
type Schedule struct {
	Arrival  Arrival
	Phases   Phases
	Slots    []Slot // sorted by At; nil in a closed loop
	Requests int64  // len(Slots); in a closed loop the most that may be sent, 0 for no limit
}

// Schedule computes a run.
func (w *Workload) Schedule(o ScheduleOptions) (*Schedule, error) {
	return nil, errors.New("schedule: not built yet")
}

// Slot returns the i-th request.
func (s *Schedule) Slot(i int64) Slot { return s.Slots[i] }

// UserStart returns when a user of a closed loop sends its first request. User u takes the slots u, u+Concurrency,
// u+2*Concurrency and so on.
func (s *Schedule) UserStart(u int) time.Duration { return 0 }
