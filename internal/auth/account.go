package auth

import (
	"sync"
	"sync/atomic"
	"time"
)

// account counts what the keys of one name take, under whatever configuration: its Principals share it.
type account struct {
	name  string
	born  time.Time    // with the reading of a clock that does not jump
	loose atomic.Int64 // calls under way that nothing limits

	// Guarded by mu.
	mu      sync.Mutex
	elapsed time.Duration // since born, at the newest call
	meter
	leases []lease // of calls under way; as many places as there ever were at a time
	free   []int32 // places that no call has
	users  users
	share  share
}

// place returns a place for a lease. The caller holds mu.
func (a *account) place() int32 {
	if n := len(a.free); n > 0 {
		p := a.free[n-1]
		a.free = a.free[:n-1]
		return p
	}
	a.leases = append(a.leases, lease{})
	return int32(len(a.leases) - 1)
}

// underWay returns how many calls are.
func (a *account) underWay() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.running + a.loose.Load()
}

// moment returns a time as meters need it. Callers ask the clock before they hold mu: one that comes late counts as of the newest.
func (a *account) moment(now time.Time) moment {
	a.elapsed = max(now.Sub(a.born), a.elapsed)
	return moment{now: now, elapsed: a.elapsed, day: dayOf(now), month: monthOf(now)}
}
